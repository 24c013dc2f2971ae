// How a coroutine waits for a callback: the one place where Task meets the callback machines of net/ and tunnel/.
//
// Asio's own operations keep their handlers in its queues, so that a loop that ends destroys every waiting coroutine.
// Our streams keep callbacks themselves, and are often owned by the very coroutine that waits: a cycle that nobody
// would free. Therefore the waiting coroutine is kept by the loop (a service of its io_context), and the callback only
// refers to it.
#pragma once
#include <functional>
#include <memory>

#include "net/task.h"

namespace portolan::net {

// Ends one wait: called once, from the loop's thread; the task resumes from the loop, not within the call. A Done that
// is destroyed uncalled ends the wait with Code::kCancelled, so that forgetting a callback never leaves a task asleep.
class Done {
 public:
  struct State;
  Done() = default;
  explicit Done(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Done(Done&&) noexcept = default;
  Done& operator=(Done&& other) noexcept;
  ~Done();
  void operator()(Result<> result = {});

 private:
  std::shared_ptr<State> state_;
};

using StartWait = std::move_only_function<void(Done)>;
using OnCancel = std::move_only_function<void()>;

// Calls `start` and suspends the task until its Done has ended the wait. If the task is cancelled, calls `on_cancel`,
// which drops the Done (by forgetting the callback that holds it) or brings about its call. A task that is cancelled
// already gets Code::kCancelled without a start.
Task<Result<>> wait_for(StartWait start, OnCancel on_cancel);
// The same for what must be waited for even by a task that is cancelled already; `on_cancel` is then called after
// `start`.
Task<Result<>> wait_regardless(StartWait start, OnCancel on_cancel);

// The same for what calls back by a plain function, which may come after the task was cancelled.
using CallBack = std::move_only_function<void(Result<>)>;
Task<Result<>> wait_for_call(std::move_only_function<void(CallBack)> start);

// Whether the current task has been cancelled.
Task<bool> cancelled();
std::unexpected<Error> cancelled_error();

// Counts a step that a coroutine made without waiting; true when there were so many since the last time that it must
// let others run (yield_to_loop()). A coroutine that always finds data would else starve its loop.
bool must_yield(const Executor& executor);

}  // namespace portolan::net
