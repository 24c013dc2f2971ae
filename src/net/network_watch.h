// Tells when the network of this machine has changed under us, or the machine has slept: whoever keeps connections then
// looks at once whether they still live, and does not wait for TCP to find out.
//
// Changes come from rtnetlink(7), which any user may listen to: links, addresses, routes. They come in bursts (an
// address goes, then its routes, then new ones come), so that they are told once things have been quiet for a moment.
// A sleep is seen by two clocks of the kernel: the boot clock counts it, the monotonic clock, on which our timers run,
// does not.
#pragma once
#include <chrono>
#include <functional>
#include <memory>

#include "net/task.h"

namespace portolan::net {

enum class NetworkChange { kNetwork, kSleep };

// Whether the machine has slept since the last look: pure, for any two clocks.
class SleepDetector {
 public:
  // `boot` counts time asleep, `monotonic` does not. True if more than two seconds were slept since the last call.
  bool slept(std::chrono::nanoseconds boot, std::chrono::nanoseconds monotonic);

 private:
  bool first_ = true;
  std::chrono::nanoseconds offset_{0};
};

// Calls `on_change` from the loop while it lives. Where netlink is not to be had (a sandbox), only sleep is seen.
class NetworkWatch {
 public:
  NetworkWatch(const Executor& executor, std::move_only_function<void(NetworkChange)> on_change);
  NetworkWatch(const NetworkWatch&) = delete;
  NetworkWatch& operator=(const NetworkWatch&) = delete;
  ~NetworkWatch();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace portolan::net
