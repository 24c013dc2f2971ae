// One event loop: one thread that runs handlers and coroutines, and that everything made on it stays on.
#pragma once
#include <functional>
#include <memory>

#include "net/task.h"

namespace portolan::net {

// Made by main() or by a test; run() by the one thread that owns all that lives on it.
class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  Executor executor() const;
  // Runs until stop() is called or no work is left.
  void run();
  // Thread-safe: run() returns after the handler in progress.
  void stop();
  // Thread-safe: runs `work` on the loop later.
  void post(std::move_only_function<void()> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs `work` on the executor's loop, later, never within this call. Thread-safe.
void post(const Executor& executor, std::move_only_function<void()> work);

// Calls `work` at the deadline unless it is cancelled or destroyed first. On the loop's thread.
class Timer {
 public:
  explicit Timer(const Executor& executor);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();
  // Replaces what was scheduled before.
  void schedule(std::chrono::milliseconds after, std::move_only_function<void()> work);
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Calls `on_signal` on the loop for each SIGINT or SIGTERM while it lives.
class SignalWatch {
 public:
  SignalWatch(const Executor& executor, std::move_only_function<void(int)> on_signal);
  ~SignalWatch();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace portolan::net
