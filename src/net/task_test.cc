#include "net/task.h"

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"
#include "net/event.h"
#include "net/memory_stream.h"
#include "net/stop.h"
#include "net/wait.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;

Task<> append(std::vector<int>& to, int value) {
  to.push_back(value);
  co_return;
}

Task<> sleep_and_note(std::chrono::milliseconds duration, std::vector<Code>& ends) {
  for (int i = 0; i < 2; ++i) {
    auto slept = co_await sleep_for(duration);
    ends.push_back(slept ? Code::kInternal : slept.error().code);
  }
}

CO_TEST(TaskGroup, SpawnDoesNotRunWithinTheCall) {
  std::vector<int> seen;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("one", append(seen, 1));
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(group.names(), std::vector<std::string>{"one"});
  co_await group.join();
  EXPECT_EQ(seen, std::vector<int>{1});
  EXPECT_EQ(group.size(), 0U);
}

CO_TEST(TaskGroup, CancelEndsThisWaitAndFurtherOnes) {
  std::vector<Code> ends;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("sleeper", sleep_and_note(1h, ends));
  co_await yield_to_loop();
  group.cancel();
  co_await group.join();
  EXPECT_EQ(ends, (std::vector{Code::kCancelled, Code::kCancelled}));
}

CO_TEST(TaskGroup, CancelsTheOldestFirstAndEachOnce) {
  const auto executor = co_await this_executor();
  TaskGroup tasks(executor);
  std::string ended;
  const auto sleeper = [](char name, std::string& out) -> Task<> {
    [[maybe_unused]] const auto slept = co_await sleep_for(std::chrono::hours(1));
    out += name;
  };
  tasks.cancel_oldest();  // nobody there
  for (const char name : {'a', 'b', 'c'}) tasks.spawn("sleeper", sleeper(name, ended));
  co_await yield_to_loop();
  tasks.cancel_oldest();
  tasks.cancel_oldest();
  while (tasks.size() > 1) co_await yield_to_loop();
  EXPECT_EQ(ended, "ab");
  tasks.cancel();
  co_await tasks.join();
  EXPECT_EQ(ended, "abc");
}

CO_TEST(TaskGroup, CancelBeforeTheStart) {
  std::vector<Code> ends;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("sleeper", sleep_and_note(1h, ends));
  group.cancel();
  co_await group.join();
  EXPECT_EQ(ends, (std::vector{Code::kCancelled, Code::kCancelled}));
}

CO_TEST(TaskGroup, AnExceptionEndsOnlyItsTask) {
  std::vector<int> seen;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  auto thrower = []() -> Task<> {
    throw std::runtime_error("on purpose");
    co_return;
  };
  group.spawn("thrower", thrower());
  group.spawn("other", append(seen, 1));
  co_await group.join();
  EXPECT_EQ(seen, std::vector<int>{1});
}

CO_TEST(TaskGroup, UnstartedTasksGoWithTheGroup) {
  auto alive = std::make_shared<int>(1);
  auto hold = [](std::shared_ptr<int>) -> Task<> { co_return; };
  {
    TaskGroup group(co_await boost::asio::this_coro::executor);
    group.spawn("never", hold(alive));
    EXPECT_EQ(alive.use_count(), 2);
  }
  EXPECT_EQ(alive.use_count(), 1);
  co_await yield_to_loop();
}

Task<> own_a_sleeping_group(bool& ended) {
  const Executor executor = co_await boost::asio::this_coro::executor;
  std::vector<Code> ends;
  TaskGroup inner(executor);
  inner.spawn("sleeper", sleep_and_note(1h, ends));
  co_await inner.join();
  ended = true;
}

CO_TEST(TaskGroup, CancellingWhoJoinsCancelsTheGroup) {
  bool ended = false;
  TaskGroup outer(co_await boost::asio::this_coro::executor);
  outer.spawn("owner", own_a_sleeping_group(ended));
  auto nap = co_await sleep_for(1ms);
  CO_ASSERT_OK(nap);
  EXPECT_FALSE(ended);
  outer.cancel();
  co_await outer.join();
  EXPECT_TRUE(ended);
}

Task<> ignore_result(Task<Result<>> task) { co_await std::move(task); }

Task<> read_from_own_pair(std::shared_ptr<int> token) {
  const auto pair = memory_pair(co_await boost::asio::this_coro::executor);
  auto got = co_await read(*pair.first);
  *token = got ? 1 : 2;
}

TEST(TaskGroup, ALoopThatEndsFreesWhatWaits) {
  auto token = std::make_shared<int>(0);
  {
    Loop loop;
    TaskGroup group(loop.executor());
    group.spawn("reader", read_from_own_pair(token));
    group.spawn("sleeper", ignore_result(sleep_for(1h)));
    group.spawn("limited", ignore_result(with_timeout(sleep_for(1h), 2h)));
    loop.post([&] { loop.post([&] { loop.post([&] { loop.stop(); }); }); });
    loop.run();
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(*token, 0);
}

TEST(TaskGroupDeathTest, AbortsWhenATaskOutlivesItsOwner) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Loop loop;
        auto group = std::make_unique<TaskGroup>(loop.executor());
        std::vector<Code> ends;
        group->spawn("stray sleeper", sleep_and_note(1h, ends));
        loop.post([&] { loop.post([&] { group.reset(); }); });
        loop.run();
      },
      "stray sleeper");
}

CO_TEST(WithTimeout, GivesTheValue) {
  auto op = []() -> Task<Result<int>> {
    co_await yield_to_loop();
    co_return 7;
  };
  auto got = co_await with_timeout(op(), 1s);
  CO_ASSERT_OK(got);
  EXPECT_EQ(*got, 7);
}

CO_TEST(WithTimeout, GivesTheError) {
  auto op = []() -> Task<Result<int>> { co_return fail(Code::kDenied, "no"); };
  auto got = co_await with_timeout(op(), 1s);
  CO_ASSERT_ERROR(got, Code::kDenied);
}

CO_TEST(WithTimeout, EndsTheOperationAtTheLimit) {
  bool unwound = false;
  auto op = [](bool& done) -> Task<Result<int>> {
    auto slept = co_await sleep_for(1h);
    done = true;
    if (!slept) co_return std::unexpected(slept.error());
    co_return 1;
  };
  auto got = co_await with_timeout(op(unwound), 5ms);
  EXPECT_TRUE(unwound);
  CO_ASSERT_ERROR(got, Code::kTimeout);
  EXPECT_EQ(got.error().message, "timed out after 5ms");
  auto later = co_await sleep_for(1ms);  // the caller itself is not cancelled
  CO_ASSERT_OK(later);
}

CO_TEST(WithTimeout, PassesCancellationOn) {
  std::vector<Code> ends;
  auto body = [](std::vector<Code>& to) -> Task<> {
    auto got = co_await with_timeout(sleep_for(1h), 2h);
    to.push_back(got ? Code::kInternal : got.error().code);
    auto again = co_await with_timeout(sleep_for(1h), 2h);
    to.push_back(again ? Code::kInternal : again.error().code);
  };
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("limited", body(ends));
  co_await yield_to_loop();
  group.cancel();
  co_await group.join();
  EXPECT_EQ(ends, (std::vector{Code::kCancelled, Code::kCancelled}));
}

CO_TEST(WithTimeout, PassesAnExceptionOn) {
  auto op = []() -> Task<Result<>> {
    co_await yield_to_loop();
    throw std::runtime_error("on purpose");
  };
  std::string what;
  try {
    auto got = co_await with_timeout(op(), 1s);
    EXPECT_TRUE(got);
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
  EXPECT_EQ(what, "on purpose");
}

CO_TEST(Wait, ADroppedDoneEndsTheWait) {
  auto got = co_await wait_for([](Done) {}, {});
  CO_ASSERT_ERROR(got, Code::kCancelled);
}

CO_TEST(BlockingPool, RunsElsewhereAndResumesHere) {
  BlockingPool pool("test", 2);
  const auto here = std::this_thread::get_id();
  auto there = co_await run_blocking(pool, []() -> Result<std::thread::id> { return std::this_thread::get_id(); });
  CO_ASSERT_OK(there);
  EXPECT_NE(*there, here);
  EXPECT_EQ(std::this_thread::get_id(), here);
}

CO_TEST(BlockingPool, AnExceptionIsAnError) {
  BlockingPool pool("test", 1);
  auto got = co_await run_blocking(pool, []() -> Result<int> { throw std::runtime_error("on purpose"); });
  CO_ASSERT_ERROR(got, Code::kInternal);
}

// Holds a thread of a pool until it is opened.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  std::atomic<bool> reached = false;
  void pass() {
    std::unique_lock lock(mutex);
    reached = true;
    changed.wait(lock, [this] { return open; });
  }
  void let_pass() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

Task<> run_and_note(BlockingPool& pool, std::shared_ptr<Gate> gate, std::vector<Code>& ends) {
  auto ran = co_await pool.run([gate] { gate->pass(); });
  ends.push_back(ran ? Code::kInternal : ran.error().code);
}

CO_TEST(BlockingPool, RefusesWhenTheQueueIsFull) {
  const auto gate = std::make_shared<Gate>();
  std::vector<Code> ends;
  BlockingPool pool("test", 1, 1);
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("running", run_and_note(pool, gate, ends));
  while (!gate->reached) co_await yield_to_loop();
  group.spawn("waiting", run_and_note(pool, gate, ends));
  co_await yield_to_loop();
  auto refused = co_await pool.run([] {});
  EXPECT_TRUE(!refused && refused.error().code == Code::kLimit);
  gate->let_pass();
  co_await group.join();
  EXPECT_EQ(ends, (std::vector{Code::kInternal, Code::kInternal}));
}

CO_TEST(BlockingPool, ACancelledCallerDoesNotWait) {
  const auto gate = std::make_shared<Gate>();
  std::vector<Code> ends;
  BlockingPool pool("test", 1);
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("running", run_and_note(pool, gate, ends));
  co_await yield_to_loop();
  group.cancel();
  co_await group.join();
  EXPECT_EQ(ends, std::vector{Code::kCancelled});
  gate->let_pass();
}

TEST(BlockingPool, MayAnswerALoopThatIsGone) {
  const auto gate = std::make_shared<Gate>();
  std::vector<Code> ends;
  BlockingPool pool("test", 1);
  {
    Loop loop;
    TaskGroup group(loop.executor());
    group.spawn("running", run_and_note(pool, gate, ends));
    loop.post([&] { loop.post([&] { loop.stop(); }); });
    loop.run();
  }
  gate->let_pass();
  EXPECT_TRUE(ends.empty());
}

CO_TEST(Timer, ReplacesAndForgets) {
  std::vector<int> seen;
  Timer timer(co_await boost::asio::this_coro::executor);
  timer.schedule(0ms, [&] { seen.push_back(1); });
  timer.schedule(1ms, [&] { seen.push_back(2); });
  auto nap = co_await sleep_for(10ms);
  CO_ASSERT_OK(nap);
  timer.schedule(0ms, [&] { seen.push_back(3); });
  timer.cancel();
  nap = co_await sleep_for(5ms);
  CO_ASSERT_OK(nap);
  EXPECT_EQ(seen, std::vector<int>{2});
}

CO_TEST(SignalWatch, SeesTerm) {
  int seen = 0;
  const SignalWatch watch(co_await boost::asio::this_coro::executor, [&](int number) { seen += number; });
  std::raise(SIGTERM);
  while (seen < SIGTERM) {
    auto nap = co_await sleep_for(1ms);
    CO_ASSERT_OK(nap);
  }
  std::raise(SIGINT);
  while (seen < SIGTERM + SIGINT) {
    auto nap = co_await sleep_for(1ms);
    CO_ASSERT_OK(nap);
  }
}

Task<> wait_and_note(Event& event, std::vector<Code>& ends) {
  auto waited = co_await event.wait(1h);
  ends.push_back(waited ? Code::kInternal : waited.error().code);
}

CO_TEST(Event, WakesThoseWhoWaitNow) {
  const Executor executor = co_await boost::asio::this_coro::executor;
  std::vector<Code> ends;
  TaskGroup group(executor);
  auto event = std::make_unique<Event>(executor);
  event->set();  // nobody waits: nothing is kept
  group.spawn("one", wait_and_note(*event, ends));
  group.spawn("two", wait_and_note(*event, ends));
  co_await yield_to_loop();
  EXPECT_TRUE(ends.empty());
  event->set();
  co_await group.join();
  EXPECT_EQ(ends, (std::vector{Code::kInternal, Code::kInternal}));
  auto late = co_await event->wait(1ms);
  EXPECT_TRUE(!late && late.error().code == Code::kTimeout);
  ends.clear();
  group.spawn("three", wait_and_note(*event, ends));
  co_await yield_to_loop();
  group.cancel();
  co_await group.join();
  group.spawn("four", wait_and_note(*event, ends));
  co_await yield_to_loop();
  event.reset();
  co_await group.join();
  EXPECT_EQ(ends, (std::vector{Code::kCancelled, Code::kCancelled}));
}

TEST(StopSignal, TellsAllOnce) {
  StopSignal signal;
  std::vector<std::string> heard;
  auto note = [&](const Error& reason) { heard.push_back(reason.message); };
  auto one = signal.listen(note);
  auto two = signal.listen(note);
  auto three = signal.listen([&](const Error&) { two.reset(); });
  auto moved = std::move(one);
  two.reset();
  signal.stop(Error{Code::kDenied, "first"});
  signal.stop(Error{Code::kDenied, "second"});
  auto late = signal.listen(note);
  EXPECT_EQ(heard, (std::vector<std::string>{"first", "first"}));
  EXPECT_EQ(signal.reason()->message, "first");
}

}  // namespace
}  // namespace portolan::net
