#include "net/network_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <time.h>
#include <cerrno>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/socket_stream.h"

namespace portolan::net {

namespace {

constexpr std::chrono::milliseconds kQuiet{250};     // after the last of a burst
constexpr std::chrono::milliseconds kLongest{1000};  // a burst without end is told all the same
constexpr std::chrono::milliseconds kLook{1000};
constexpr std::chrono::seconds kSleep{2};
constexpr int kMessagesPerTurn = 64;

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

UniqueFd open_netlink() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fd;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return UniqueFd();
  return fd;
}

}  // namespace

bool SleepDetector::slept(std::chrono::nanoseconds boot, std::chrono::nanoseconds monotonic) {
  const auto before = std::exchange(offset_, boot - monotonic);
  return !std::exchange(first_, false) && offset_ - before > kSleep;
}

struct NetworkWatch::Impl : std::enable_shared_from_this<Impl> {
  Impl(const Executor& executor, std::move_only_function<void(NetworkChange)> on_change)
      : descriptor(executor), quiet(executor), look(executor), tell(std::move(on_change)) {}

  void start() {
    UniqueFd fd = open_netlink();
    if (fd) {
      descriptor.assign(fd.release());
      wait();
    } else {
      log::info("changes of the network cannot be seen; links are tried by their timers only");
    }
    look_at_clocks();
  }

  void wait() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [weak = weak_from_this()](const boost::system::error_code& error) {
                            const auto alive = weak.lock();
                            if (alive && !error) alive->read_some();
                          });
  }

  // What exactly has changed is nobody's concern: those who are told find out by trying. A message that the kernel had
  // no room for (ENOBUFS) is a change, too.
  void read_some() {
    bool changed = false;
    char buffer[8192];
    for (int i = 0; i < kMessagesPerTurn; ++i) {
      const ssize_t n = ::recv(descriptor.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno != ENOBUFS) break;
      changed = true;
    }
    if (changed) note();
    wait();
  }

  void note() {
    const BootTime now = Clock::real().boot();
    if (!burst) burst = now;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*burst + kLongest - now);
    quiet.schedule(std::max(std::min(kQuiet, left), std::chrono::milliseconds(0)), [this] {
      burst.reset();
      tell(NetworkChange::kNetwork);
    });
  }

  void look_at_clocks() {
    if (detector.slept(read_clock(CLOCK_BOOTTIME), read_clock(CLOCK_MONOTONIC))) tell(NetworkChange::kSleep);
    look.schedule(kLook, [this] { look_at_clocks(); });
  }

  void stop() {
    quiet.cancel();
    look.cancel();
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  boost::asio::posix::stream_descriptor descriptor;
  Timer quiet;
  Timer look;
  SleepDetector detector;
  std::optional<BootTime> burst;
  std::move_only_function<void(NetworkChange)> tell;
};

NetworkWatch::NetworkWatch(const Executor& executor, std::move_only_function<void(NetworkChange)> on_change)
    : impl_(std::make_shared<Impl>(executor, std::move(on_change))) {
  impl_->start();
}

NetworkWatch::~NetworkWatch() { impl_->stop(); }

}  // namespace portolan::net
