// SIGHUP, by which those who run a service ask it to begin anew. SIGINT and SIGTERM: SignalWatch (net/loop.h).
#pragma once
#include <functional>
#include <memory>

#include "net/task.h"

namespace portolan::net {

// Calls `on_hangup` on the loop for each SIGHUP while it lives; without one of these SIGHUP ends the process.
class HangupWatch {
 public:
  HangupWatch(const Executor& executor, std::move_only_function<void()> on_hangup);
  ~HangupWatch();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace portolan::net
