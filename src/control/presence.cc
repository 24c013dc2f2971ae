#include "control/presence.h"

#include <utility>

namespace portolan::control {

Presence::Seat::Seat(Presence& presence, std::string node) : presence_(presence), node_(std::move(node)) {
  presence_.seen(node_);
  if (presence_.states_[node_].watches++ == 0) presence_.on_change_();
}

Presence::Seat::~Seat() {
  presence_.seen(node_);
  if (--presence_.states_[node_].watches == 0) presence_.on_change_();
}

void Presence::seen(const std::string& node) { states_[node].last_seen = clock_.wall(); }

bool Presence::up(const std::string& node) const { return of(node).watches > 0; }

Presence::State Presence::of(const std::string& node) const {
  const auto found = states_.find(node);
  return found == states_.end() ? State{} : found->second;
}

}  // namespace portolan::control
