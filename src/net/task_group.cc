#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/log.h"
#include "net/loop.h"
#include "net/task.h"
#include "net/wait.h"

namespace portolan::net {

namespace asio = boost::asio;

namespace {

struct Entry {
  std::string name;
  std::optional<Task<>> unstarted;
  bool asked_to_end = false;
  asio::cancellation_signal signal;
};

// The outermost coroutine of a spawned task. Results, not exceptions, tell a task that it has been cancelled.
Task<> run_task(Task<> task, std::shared_ptr<Entry> entry) {
  co_await asio::this_coro::throw_if_cancelled(false);
  if (entry->asked_to_end) entry->signal.emit(asio::cancellation_type::terminal);
  co_await std::move(task);
}

void log_exception(const std::string& name, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    log::error("task ended by an exception", {{"task", name}, {"what", e.what()}});
  } catch (...) {
    log::error("task ended by an exception", {{"task", name}});
  }
}

bool has_ended(const Executor& executor) {
  const auto* on_context = executor.target<asio::io_context::executor_type>();
  return on_context != nullptr && on_context->context().stopped();
}

}  // namespace

struct TaskGroup::Impl {
  std::vector<std::shared_ptr<Entry>> entries;
  std::vector<Done> joiners;

  static void cancel(const std::shared_ptr<Entry>& entry) {
    entry->asked_to_end = true;
    if (!entry->unstarted) entry->signal.emit(asio::cancellation_type::terminal);
  }

  void cancel() {
    const auto asked = entries;  // a cancelled task may spawn another
    for (const auto& entry : asked) cancel(entry);
  }

  void cancel_oldest() {
    const auto oldest = std::ranges::find_if(entries, [](const auto& entry) { return !entry->asked_to_end; });
    if (oldest != entries.end()) cancel(std::shared_ptr<Entry>(*oldest));
  }

  void remove(const Entry* entry) {
    std::erase_if(entries, [entry](const auto& each) { return each.get() == entry; });
    if (!entries.empty()) return;
    for (auto& joiner : std::exchange(joiners, {})) joiner();
  }
};

TaskGroup::TaskGroup(Executor executor) : executor_(std::move(executor)), impl_(std::make_shared<Impl>()) {}

TaskGroup::~TaskGroup() {
  std::erase_if(impl_->entries, [](const auto& entry) {
    const bool never_ran = entry->unstarted.has_value();
    entry->unstarted.reset();
    return never_ran;
  });
  if (impl_->entries.empty() || has_ended(executor_)) return;
  cancel();
  for (const auto& name : names())
    log::error("task outlives its owner: cancel and join its group first", {{"task", name}});
  std::abort();
}

void TaskGroup::spawn(std::string name, Task<> task) {
  auto entry = std::make_shared<Entry>();
  entry->name = std::move(name);
  entry->unstarted.emplace(std::move(task));
  impl_->entries.push_back(entry);
  post(executor_, [executor = executor_, impl = impl_, entry = std::move(entry)]() mutable {
    if (!entry->unstarted) return;
    Task<> body = std::move(*entry->unstarted);
    entry->unstarted.reset();
    auto task_ended = [impl = std::move(impl), entry](const std::exception_ptr& thrown) {
      if (thrown) log_exception(entry->name, thrown);
      impl->remove(entry.get());
    };
    asio::co_spawn(executor, run_task(std::move(body), entry),
                   asio::bind_cancellation_slot(entry->signal.slot(), std::move(task_ended)));
  });
}

void TaskGroup::cancel() { impl_->cancel(); }

void TaskGroup::cancel_oldest() { impl_->cancel_oldest(); }

Task<> TaskGroup::join() {
  const auto impl = impl_;
  while (!impl->entries.empty()) {
    co_await wait_regardless([impl](Done done) { impl->joiners.push_back(std::move(done)); },
                             [impl] { impl->cancel(); });
  }
}

std::size_t TaskGroup::size() const { return impl_->entries.size(); }

std::vector<std::string> TaskGroup::names() const {
  std::vector<std::string> names;
  for (const auto& entry : impl_->entries) names.push_back(entry->name);
  return names;
}

}  // namespace portolan::net
