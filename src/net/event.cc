// A timer that never rings by itself serves as the list of waiters: cancelling it wakes them all.
#include "net/event.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <list>

namespace portolan::net {

struct Event::State {
  explicit State(const Executor& executor) : executor(executor) {}
  Executor executor;
  std::list<boost::asio::steady_timer*> waiters;
  std::uint64_t generation = 0;
  bool destroyed = false;

  void wake() {
    ++generation;
    for (auto* waiter : std::exchange(waiters, {})) waiter->cancel();
  }
};

Event::Event(const Executor& executor) : state_(std::make_shared<State>(executor)) {}

Event::~Event() {
  state_->destroyed = true;
  state_->wake();
}

void Event::set() { state_->wake(); }

Task<Result<>> Event::wait(std::chrono::milliseconds limit) {
  const std::shared_ptr<State> state = state_;
  const auto cancelled = (co_await boost::asio::this_coro::cancellation_state).cancelled();
  if (cancelled != boost::asio::cancellation_type::none) co_return fail(Code::kCancelled, "cancelled");
  boost::asio::steady_timer timer(state->executor, limit);
  state->waiters.push_back(&timer);
  const std::uint64_t before = state->generation;
  const auto [error] = co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  if (state->generation != before) {
    if (state->destroyed) co_return fail(Code::kCancelled, "cancelled");
    co_return Result<>{};
  }
  state->waiters.remove(&timer);
  if (error) co_return fail(Code::kCancelled, "cancelled");
  co_return fail(Code::kTimeout, "timed out");
}

}  // namespace portolan::net
