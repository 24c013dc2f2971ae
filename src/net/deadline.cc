#include <exception>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/clock.h"
#include "net/loop.h"
#include "net/task.h"
#include "net/wait.h"

namespace portolan::net {

namespace asio = boost::asio;

namespace {

Task<Result<>> run_limited(Task<Result<>> op) {
  co_await asio::this_coro::throw_if_cancelled(false);
  co_return co_await std::move(op);
}

// What the two sides of with_timeout share; the operation's handler may outlive the waiting frame when the loop ends.
struct Attempt {
  asio::cancellation_signal signal;
  bool expired = false;
  std::exception_ptr thrown;
  void cancel() { signal.emit(asio::cancellation_type::terminal); }
};

}  // namespace

Task<Executor> this_executor() { co_return co_await asio::this_coro::executor; }

Task<Result<>> sleep_for(std::chrono::milliseconds duration) {
  Timer timer(co_await asio::this_coro::executor);
  auto start = [&](Done done) { timer.schedule(duration, [done = std::move(done)]() mutable { done(); }); };
  co_return co_await wait_for(start, [&] { timer.cancel(); });
}

Task<> yield_to_loop() {
  co_await wait_regardless([](Done done) { done(); }, {});
}

Task<Result<>> with_timeout(Task<Result<>> op, std::chrono::milliseconds limit) {
  const Executor executor = co_await asio::this_coro::executor;
  const auto attempt = std::make_shared<Attempt>();
  Timer timer(executor);
  auto start = [&](Done done) {
    auto ended = [attempt, done = std::move(done)](std::exception_ptr thrown, Result<> result) mutable {
      attempt->thrown = std::move(thrown);
      done(std::move(result));
    };
    asio::co_spawn(executor, run_limited(std::move(op)),
                   asio::bind_cancellation_slot(attempt->signal.slot(), std::move(ended)));
    timer.schedule(limit, [attempt] {
      attempt->expired = true;
      attempt->cancel();
    });
  };
  // What is cancelled is the operation; the wait lasts until it has unwound, since it may use what the caller's frame
  // holds.
  auto result = co_await wait_for(start, [attempt] { attempt->cancel(); });
  if (attempt->thrown) std::rethrow_exception(attempt->thrown);
  if (!result && attempt->expired) co_return fail(Code::kTimeout, "timed out after " + format_duration(limit));
  co_return result;
}

}  // namespace portolan::net
