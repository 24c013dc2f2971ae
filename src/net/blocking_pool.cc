#include <pthread.h>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include <boost/asio/this_coro.hpp>

#include "net/loop.h"
#include "net/task.h"
#include "net/wait.h"

namespace portolan::net {

namespace {

// One call. The pool's thread touches `work` and, under the lock, `listening` and `executor`; `done` belongs to the
// loop.
struct Call {
  Executor executor;
  std::move_only_function<void()> work;
  Done done;
  std::mutex mutex;
  bool listening = true;  // false: nobody waits any more, and the loop may be gone
};

// Marks the end of the caller's wait, however it comes: an answer, a cancellation, or the destruction of its loop.
struct Listening {
  std::shared_ptr<Call> call;
  ~Listening() {
    const std::lock_guard lock(call->mutex);
    call->listening = false;
  }
};

Result<> run_caught(std::move_only_function<void()>& work) {
  try {
    work();
    return {};
  } catch (const std::exception& e) {
    return fail(Code::kInternal, std::string("blocking call failed: ") + e.what());
  } catch (...) {
    return fail(Code::kInternal, "blocking call failed");
  }
}

void run_call(const std::shared_ptr<Call>& call) {
  auto result = run_caught(call->work);
  call->work = {};
  const std::lock_guard lock(call->mutex);
  if (!call->listening) return;
  post(call->executor, [call, result = std::move(result)]() mutable { call->done(std::move(result)); });
}

}  // namespace

struct BlockingPool::Impl {
  std::string name;
  std::size_t thread_limit;
  std::size_t queue_limit;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::shared_ptr<Call>> queue;
  std::vector<std::thread> threads;  // started when there is work for them
  std::size_t idle = 0;
  bool ending = false;

  void work() {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      wake.wait(lock, [this] { return ending || !queue.empty(); });
      --idle;
      if (ending) return;
      auto call = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      run_call(call);
      call.reset();
      lock.lock();
    }
  }

  bool enqueue(std::shared_ptr<Call> call) {
    const std::lock_guard lock(mutex);
    if (queue.size() >= queue_limit + idle) return false;
    queue.push_back(std::move(call));
    if (queue.size() > idle && threads.size() < thread_limit) threads.emplace_back([this] { work(); });
    wake.notify_one();
    return true;
  }
};

BlockingPool::BlockingPool(std::string name, std::size_t threads, std::size_t queue_limit)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->thread_limit = std::max<std::size_t>(threads, 1);
  impl_->queue_limit = queue_limit;
}

BlockingPool::~BlockingPool() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->wake.notify_all();
  for (auto& thread : impl_->threads) thread.join();
}

Task<Result<>> BlockingPool::run(std::move_only_function<void()> work) {
  const auto call = std::make_shared<Call>();
  call->executor = co_await boost::asio::this_coro::executor;
  call->work = std::move(work);
  const Listening listening(call);
  auto start = [&](Done done) {
    call->done = std::move(done);
    if (impl_->enqueue(call)) return;
    call->done(fail(Code::kLimit, "too many calls wait for pool " + impl_->name));
  };
  co_return co_await wait_for(start, [call] { call->done = {}; });
}

}  // namespace portolan::net
