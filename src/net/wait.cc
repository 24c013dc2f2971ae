#include "net/wait.h"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace portolan::net {

namespace asio = boost::asio;

namespace {

constexpr unsigned kStepsPerTurn = 32;

class WaitList;

}  // namespace

struct Done::State : std::enable_shared_from_this<Done::State> {
  State(Executor loop, WaitList& in, asio::any_completion_handler<void(Result<>)> resumes)
      : executor(std::move(loop)), list(&in), handler(std::move(resumes)) {}

  Executor executor;
  WaitList* list;  // null: the wait is over
  State* before = nullptr;
  State* after = nullptr;
  std::shared_ptr<State> self;  // while it is in the list
  asio::any_completion_handler<void(Result<>)> handler;
  OnCancel on_cancel;

  void end(Result<> result);
};

namespace {

// All coroutines of one loop that wait for callbacks. Lives in the io_context and ends with it.
class WaitList : public asio::execution_context::service {
 public:
  using key_type = WaitList;
  inline static asio::execution_context::id id;

  explicit WaitList(asio::execution_context& context) : service(context) {}

  void add(const std::shared_ptr<Done::State>& state) {
    state->self = state;
    state->after = first_;
    if (first_ != nullptr) first_->before = state.get();
    first_ = state.get();
  }

  void remove(Done::State& state) {
    (state.before != nullptr ? state.before->after : first_) = state.after;
    if (state.after != nullptr) state.after->before = state.before;
    state.list = nullptr;
    state.self.reset();
  }

  bool must_yield() {
    if (++steps_ < kStepsPerTurn) return false;
    steps_ = 0;
    return true;
  }

  void waited() { steps_ = 0; }

 private:
  // The loop is being destroyed: so are the coroutines, and with them the streams and groups that they own.
  void shutdown() noexcept override {
    while (first_ != nullptr) {
      const auto state = first_->self;
      remove(*state);
      const auto destroyed_last = std::move(state->on_cancel);
      const auto handler = std::move(state->handler);
    }
  }

  Done::State* first_ = nullptr;
  unsigned steps_ = 0;
};

WaitList& wait_list(const Executor& executor) {
  return asio::use_service<WaitList>(asio::query(executor, asio::execution::context));
}

// Turns Asio's cancellation, which arrives through the slot of the waiting coroutine, into a call of on_cancel.
void connect_cancellation(Done::State& state) {
  auto slot = asio::get_associated_cancellation_slot(state.handler);
  if (!slot.is_connected()) return;
  slot.assign([weak = state.weak_from_this()](asio::cancellation_type) {
    const auto waiting = weak.lock();
    if (!waiting || waiting->list == nullptr || !waiting->on_cancel) return;
    auto on_cancel = std::exchange(waiting->on_cancel, {});
    on_cancel();
  });
}

// `start` and `on_cancel` belong to the caller's frame, which lives until the wait is over.
Task<Result<>> suspend(StartWait& start, OnCancel& on_cancel, bool cancelled_already) {
  const Executor executor = co_await asio::this_coro::executor;
  auto initiation = [&](auto handler) {
    auto& list = wait_list(executor);
    list.waited();
    auto state = std::make_shared<Done::State>(executor, list, std::move(handler));
    list.add(state);
    state->on_cancel = std::move(on_cancel);
    connect_cancellation(*state);
    start(Done(state));
    if (cancelled_already && state->list != nullptr && state->on_cancel) std::exchange(state->on_cancel, {})();
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<>)>(initiation,
                                                                                          asio::use_awaitable);
}

}  // namespace

void Done::State::end(Result<> result) {
  if (list == nullptr) return;
  const auto keep = self;
  list->remove(*this);
  on_cancel = {};
  asio::post(executor, [resumes = std::move(handler), answer = std::move(result)]() mutable {
    std::move(resumes)(std::move(answer));
  });
}

Done& Done::operator=(Done&& other) noexcept {
  const Done dropped(std::exchange(state_, std::move(other.state_)));
  return *this;
}

Done::~Done() {
  if (state_) state_->end(cancelled_error());
}

void Done::operator()(Result<> result) {
  if (const auto state = std::exchange(state_, nullptr)) state->end(std::move(result));
}

Task<Result<>> wait_for(StartWait start, OnCancel on_cancel) {
  const bool already = co_await cancelled();
  if (already) co_return cancelled_error();
  co_return co_await suspend(start, on_cancel, false);
}

Task<Result<>> wait_regardless(StartWait start, OnCancel on_cancel) {
  const bool already = co_await cancelled();
  co_return co_await suspend(start, on_cancel, already);
}

Task<Result<>> wait_for_call(std::move_only_function<void(CallBack)> start) {
  const auto shared = std::make_shared<Done>();
  auto begin = [&](Done done) {
    *shared = std::move(done);
    start([shared](Result<> result) { (*shared)(std::move(result)); });
  };
  co_return co_await wait_for(begin, [shared] { (*shared)(cancelled_error()); });
}

Task<bool> cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

std::unexpected<Error> cancelled_error() { return fail(Code::kCancelled, "cancelled"); }

bool must_yield(const Executor& executor) { return wait_list(executor).must_yield(); }

}  // namespace portolan::net
