#include "net/hangup_watch.h"

#include <csignal>

#include <boost/asio/signal_set.hpp>

namespace portolan::net {

struct HangupWatch::Impl : std::enable_shared_from_this<HangupWatch::Impl> {
  Impl(const Executor& executor, std::move_only_function<void()> callback)
      : signals(executor, SIGHUP), on_hangup(std::move(callback)) {}
  boost::asio::signal_set signals;
  std::move_only_function<void()> on_hangup;

  void wait() {
    signals.async_wait([weak = weak_from_this()](const boost::system::error_code& error, int) {
      const auto alive = weak.lock();
      if (error || !alive) return;
      alive->wait();
      alive->on_hangup();
    });
  }
};

HangupWatch::HangupWatch(const Executor& executor, std::move_only_function<void()> on_hangup)
    : impl_(std::make_shared<Impl>(executor, std::move(on_hangup))) {
  impl_->wait();
}

HangupWatch::~HangupWatch() = default;

}  // namespace portolan::net
