#include "net/turn_end.h"

#include <deque>
#include <utility>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>

namespace portolan::net {
namespace {

namespace asio = boost::asio;

// Calls within one end. A chain of layers needs a few for each stream that has something.
constexpr int kCallsAtOnce = 64;

// Of one loop; goes with it, and what still waits then is dropped, as posted handlers are.
class TurnEnd : public asio::execution_context::service {
 public:
  using key_type = TurnEnd;
  static inline asio::execution_context::id id;

  explicit TurnEnd(asio::execution_context& context) : service(context) {}

  void add(const Executor& executor, std::move_only_function<void()> work) {
    waiting_.push_back(std::move(work));
    if (!posted_) post(executor);
  }

 private:
  void shutdown() override { const auto dropped = std::exchange(waiting_, {}); }

  void post(const Executor& executor) {
    posted_ = true;
    asio::post(executor, [this, executor] { run(executor); });
  }

  void run(const Executor& executor) {
    for (int i = 0; i < kCallsAtOnce && !waiting_.empty(); ++i) {
      auto work = std::move(waiting_.front());
      waiting_.pop_front();
      work();
    }
    posted_ = false;
    if (!waiting_.empty()) post(executor);
  }

  std::deque<std::move_only_function<void()>> waiting_;
  bool posted_ = false;
};

}  // namespace

void at_turn_end(const Executor& executor, std::move_only_function<void()> work) {
  asio::use_service<TurnEnd>(asio::query(executor, asio::execution::context)).add(executor, std::move(work));
}

}  // namespace portolan::net
