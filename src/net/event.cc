// The waiters are the tasks themselves, kept by the loop; the list here only knows whom to wake.
#include "net/event.h"

#include <vector>

#include "net/wait.h"

namespace portolan::net {

struct Event::State {
  std::vector<std::weak_ptr<Done>> waiters;
};

namespace {

// The waiter belongs to the frame of the task that waits, and goes with it.
Task<Result<>> wait_in(std::vector<std::weak_ptr<Done>>& waiters) {
  const auto waiter = std::make_shared<Done>();
  auto start = [&](Done done) {
    *waiter = std::move(done);
    std::erase_if(waiters, [](const auto& each) { return each.expired(); });
    waiters.push_back(waiter);
  };
  co_return co_await wait_for(start, [&] { *waiter = {}; });
}

}  // namespace

Event::Event(const Executor&) : state_(std::make_shared<State>()) {}

Event::~Event() {
  for (const auto& each : state_->waiters) {
    if (const auto waiter = each.lock()) *waiter = {};
  }
}

void Event::set() {
  for (const auto& each : std::exchange(state_->waiters, {})) {
    if (const auto waiter = each.lock()) (*waiter)();
  }
}

Task<Result<>> Event::wait(std::chrono::milliseconds limit) {
  const auto state = state_;
  co_return co_await with_timeout(wait_in(state->waiters), limit);
}

}  // namespace portolan::net
