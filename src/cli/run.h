// Runs one coroutine to its end on a loop of its own: how a command that does its work and exits uses the network.
#pragma once
#include <exception>
#include <functional>
#include <utility>

#include "base/result.h"
#include "net/loop.h"
#include "net/task.h"

namespace portolan::cli {

namespace detail {
template <class T>
net::Task<> run_into(net::Task<Result<T>> task, Result<T>& out, net::Loop& loop) {
  try {
    out = co_await std::move(task);
  } catch (const std::exception& thrown) {
    out = fail(Code::kInternal, std::string("internal error: ") + thrown.what());
  }
  loop.stop();
}
}  // namespace detail

// Everything that `body` makes on the loop ends with the coroutine that it returns.
template <class T>
Result<T> run_on_loop(std::move_only_function<net::Task<Result<T>>(net::Loop&)> body) {
  Result<T> out = fail(Code::kInternal, "the command did not end");
  net::Loop loop;
  net::TaskGroup tasks(loop.executor());
  tasks.spawn("command", detail::run_into(body(loop), out, loop));
  loop.run();
  return out;
}

template <class T>
Result<T> run_on_loop(net::Task<Result<T>> task) {
  return run_on_loop<T>([&task](net::Loop&) { return std::move(task); });
}

}  // namespace portolan::cli
