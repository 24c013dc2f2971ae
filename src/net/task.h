// Coroutines: Task, the group that owns spawned ones, deadlines, and the pool for calls that block.
// The only Asio header that code outside net/ and tunnel/ sees. Rules of use: docs/architecture.md, "Coroutines".
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/result.h"

namespace portolan::net {

template <class T = void>
using Task = boost::asio::awaitable<T>;
using Executor = boost::asio::any_io_executor;

// Owns the background tasks of one object, which declares it as its last member. All calls on the loop's thread.
// Stop in two steps: cancel(), then co_await join(); the destructor cancels what is left and, since a task may touch
// its owner, aborts the process if one is still alive then (unless the loop itself has ended).
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();

  // Starts a task, from the loop, not within this call. `name` appears in the dump of live tasks. A spawned coroutine
  // takes its arguments by value. An exception that leaves it is a bug: it is logged and ends only that task.
  void spawn(std::string name, Task<> task);
  // Asks every task to end: its current wait fails with Code::kCancelled, as does each further one.
  void cancel();
  // Asks the task to end that began first, of those that have not been asked yet.
  void cancel_oldest();
  // Waits until no task is left. Tasks may still be spawned while it waits. If the waiting task is cancelled, it
  // cancels the group's and waits on: it never returns while one lives.
  Task<> join();
  std::size_t size() const;
  std::vector<std::string> names() const;
  const Executor& executor() const { return executor_; }

 private:
  struct Impl;
  Executor executor_;
  std::shared_ptr<Impl> impl_;
};

// The executor of the current task's loop.
Task<Executor> this_executor();

// Waits; a cancelled wait gives Code::kCancelled.
Task<Result<>> sleep_for(std::chrono::milliseconds duration);
// Lets other work of this loop run first.
Task<> yield_to_loop();

// Runs `op` under a time limit. At the limit `op` is cancelled, and the answer is Code::kTimeout once it has unwound
// (an `op` that succeeds all the same has succeeded).
Task<Result<>> with_timeout(Task<Result<>> op, std::chrono::milliseconds limit);
template <class T>
Task<Result<T>> with_timeout(Task<Result<T>> op, std::chrono::milliseconds limit) {
  Result<T> value = fail(Code::kTimeout, "timed out");
  auto into = [](Task<Result<T>> inner, Result<T>& out) -> Task<Result<>> {
    out = co_await std::move(inner);
    if (!out) co_return std::unexpected(out.error());
    co_return Result<>{};
  };
  auto done = co_await with_timeout(into(std::move(op), value), limit);
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return std::move(value);
}

// Threads for calls that block: databases, password hashing, name look-up. At most `queue_limit` calls wait; one more
// is refused with Code::kLimit. Destroyed after the loops that use it have ended; the destructor waits for running
// calls.
class BlockingPool {
 public:
  BlockingPool(std::string name, std::size_t threads, std::size_t queue_limit = 4096);
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;
  ~BlockingPool();

  // Runs `work` on a thread of the pool and resumes the caller on its own loop. The work runs to its end even if the
  // caller is cancelled, so it owns what it touches.
  Task<Result<>> run(std::move_only_function<void()> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <class F>
auto run_blocking(BlockingPool& pool, F work) -> Task<decltype(work())> {
  using Answer = decltype(work());  // a Result<T>
  auto answer = std::make_shared<Answer>(fail(Code::kInternal, "blocking work did not run"));
  auto ran = co_await pool.run([answer, work = std::move(work)]() mutable { *answer = work(); });
  if (!ran) co_return std::unexpected(std::move(ran).error());
  co_return std::move(*answer);
}

}  // namespace portolan::net
