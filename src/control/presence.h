// Which nodes are there: known by their watches and requests, volatile, in memory only (heartbeats raise no revision).
// One loop.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"

namespace portolan::control {

class Presence {
 public:
  struct State {
    unsigned watches = 0;
    std::optional<WallTime> last_seen;
    std::string version;
    std::uint64_t sessions = 0;
  };

  // A node's watch, for as long as this lives: the node is up.
  class Seat {
   public:
    Seat(Presence& presence, std::string node);
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat();

   private:
    Presence& presence_;
    std::string node_;
  };

  // `on_change` is called when a node comes or goes.
  Presence(const Clock& clock, std::function<void()> on_change) : clock_(clock), on_change_(std::move(on_change)) {}
  void seen(const std::string& node);
  void set_version(const std::string& node, std::string version) { states_[node].version = std::move(version); }
  void set_sessions(const std::string& node, std::uint64_t sessions) { states_[node].sessions = sessions; }
  void forget(const std::string& node) { states_.erase(node); }
  bool up(const std::string& node) const;
  State of(const std::string& node) const;

 private:
  const Clock& clock_;
  std::function<void()> on_change_;
  std::map<std::string, State> states_;
};

}  // namespace portolan::control
