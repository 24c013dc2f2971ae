#include "net/ready_slot.h"

#include "net/loop.h"

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
  post(state_->executor, [weak = std::weak_ptr(state_), turn = state_->turn] {
    const auto state = weak.lock();
    if (!state || state->turn != turn) return;
    state->posted = false;
    auto ready = std::exchange(state->ready, {});
    ready();
  });
}

}  // namespace portolan::net
