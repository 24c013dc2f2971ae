#include "net/ready_slot.h"

#include "net/loop.h"
#include "net/turn_end.h"

namespace portolan::net {

void ReadySlot::set(Stream::Ready ready) {
  cancel();
  state_->ready = std::move(ready);
}

void ReadySlot::cancel() {
  ++state_->turn;
  state_->posted = false;
  const auto dropped = std::exchange(state_->ready, {});
}

void ReadySlot::fire() {
  if (!state_->ready || state_->posted) return;
  state_->posted = true;
  auto call = [weak = std::weak_ptr(state_), turn = state_->turn] {
    const auto state = weak.lock();
    if (!state || state->turn != turn) return;
    state->posted = false;
    auto ready = std::exchange(state->ready, {});
    ready();
  };
  if (state_->when == When::kTurnEnd) {
    at_turn_end(state_->executor, std::move(call));
  } else {
    post(state_->executor, std::move(call));
  }
}

}  // namespace portolan::net
