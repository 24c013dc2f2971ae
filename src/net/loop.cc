#include "net/loop.h"

#include <csignal>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace portolan::net {

namespace asio = boost::asio;

struct Loop::Impl {
  asio::io_context context{1};
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

// Stopped first, so that groups that are destroyed with the loop's coroutines know why their tasks are still there.
Loop::~Loop() { impl_->context.stop(); }

Executor Loop::executor() const { return impl_->context.get_executor(); }
void Loop::run() { impl_->context.run(); }
void Loop::stop() { impl_->context.stop(); }
void Loop::post(std::move_only_function<void()> work) { asio::post(impl_->context, std::move(work)); }

void post(const Executor& executor, std::move_only_function<void()> work) { asio::post(executor, std::move(work)); }

struct Timer::Impl {
  explicit Impl(const Executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  std::move_only_function<void()> work;
  std::uint64_t turn = 0;  // tells the current wait from replaced ones, whose completion may be queued already
};

Timer::Timer(const Executor& executor) : impl_(std::make_shared<Impl>(executor)) {}
Timer::~Timer() = default;

void Timer::schedule(std::chrono::milliseconds after, std::move_only_function<void()> work) {
  auto& impl = *impl_;
  impl.timer.expires_after(after);
  const auto replaced = std::exchange(impl.work, std::move(work));
  impl.timer.async_wait([weak = std::weak_ptr(impl_), turn = ++impl.turn](const boost::system::error_code& error) {
    const auto alive = weak.lock();
    if (error || !alive || alive->turn != turn) return;
    if (auto due = std::exchange(alive->work, {})) due();
  });
}

void Timer::cancel() {
  ++impl_->turn;
  impl_->timer.cancel();
  const auto dropped = std::exchange(impl_->work, {});
}

struct SignalWatch::Impl : std::enable_shared_from_this<SignalWatch::Impl> {
  Impl(const Executor& executor, std::move_only_function<void(int)> callback)
      : signals(executor, SIGINT, SIGTERM), on_signal(std::move(callback)) {}
  asio::signal_set signals;
  std::move_only_function<void(int)> on_signal;

  void wait() {
    signals.async_wait([weak = weak_from_this()](const boost::system::error_code& error, int number) {
      const auto alive = weak.lock();
      if (error || !alive) return;
      alive->wait();
      alive->on_signal(number);
    });
  }
};

SignalWatch::SignalWatch(const Executor& executor, std::move_only_function<void(int)> on_signal)
    : impl_(std::make_shared<Impl>(executor, std::move(on_signal))) {
  impl_->wait();
}

SignalWatch::~SignalWatch() = default;

}  // namespace portolan::net
