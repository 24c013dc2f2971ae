#include "node/reporter.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "node/fake_control.h"

namespace portolan::node {
namespace {

using namespace std::chrono_literals;

// What the reporter has sent, and what it is answered.
struct Rig {
  explicit Rig(const net::Executor& on) : executor(on), came(on) {}
  std::unique_ptr<api::ControlClient> client() {
    return std::make_unique<testing::FakeControl>([this](const std::string& path, const std::string& body) {
      EXPECT_EQ(path, "/v1/node/health");
      auto report = json::decode<api::NodeHealth>(body, json::Unknown::kRefuse);
      EXPECT_TRUE(report);
      if (report) reports.push_back(std::move(*report));
      came.set();
      Result<std::string> answered = answer();
      return answered;
    });
  }
  net::Task<Result<>> until(std::size_t count) {
    while (reports.size() < count) {
      CO_CHECK(co_await came.wait(5s));
    }
    co_return Result<>{};
  }
  net::Executor executor;
  net::Event came;
  std::vector<api::NodeHealth> reports;
  std::function<Result<std::string>()> answer = [] {
    return json::encode(api::NodeHealthAnswer{Clock::real().wall(), 10'000, {}});
  };
};

CO_TEST(Reporter, ReportsAtOnceWhenPokedAndBringsResults) {
  Rig rig(co_await net::this_executor());
  bool given = false;
  rig.answer = [&] {
    api::NodeHealthAnswer answer{Clock::real().wall(), 10'000, {}};
    api::CheckTask task;
    task.id = "ck-1";
    task.nonce = Secret("n");
    task.type = "gopher";
    if (!std::exchange(given, true)) answer.tasks.push_back(task);
    return json::encode(answer);
  };
  Reporter reporter(rig.executor, rig.client(), Clock::real(), 1s,
                    [](api::NodeHealth& health) { health.load.sessions = 7; });
  CO_ASSERT_OK(co_await rig.until(2));
  EXPECT_EQ(rig.reports[0].load.sessions, 7U);
  EXPECT_GT(rig.reports[0].load.memory_bytes, 0U);
  EXPECT_GT(rig.reports[0].load.descriptors, 0U);
  EXPECT_EQ(rig.reports[0].checks, (std::vector<std::string>{"tcp", "postgres", "http"}));
  CO_ASSERT_EQ(rig.reports[1].results.size(), 1U);
  EXPECT_EQ(rig.reports[1].results[0].id, "ck-1");
  EXPECT_EQ(rig.reports[1].results[0].nonce.reveal(), "n");
  reporter.poke();
  CO_ASSERT_OK(co_await rig.until(3));
  EXPECT_TRUE(rig.reports[2].results.empty()) << "handed over once";
  co_await reporter.stop();
}

CO_TEST(Reporter, AnOldControlPlaneIsLeftInPeace) {
  Rig rig(co_await net::this_executor());
  rig.answer = []() -> Result<std::string> { return fail(Code::kNotFound, "no such path"); };
  Reporter reporter(rig.executor, rig.client(), Clock::real(), 1s, [](api::NodeHealth&) {});
  CO_ASSERT_OK(co_await rig.until(1));
  const auto again = co_await net::with_timeout(rig.until(2), 700ms);
  EXPECT_FALSE(again);
  co_await reporter.stop();
}

CO_TEST(Reporter, ResultsAreKeptWhileTheControlPlaneIsAway) {
  Rig rig(co_await net::this_executor());
  int calls = 0;
  rig.answer = [&]() -> Result<std::string> {
    api::NodeHealthAnswer answer{Clock::real().wall(), 10'000, {}};
    if (++calls == 1) answer.tasks.emplace_back().id = "ck-1";
    if (calls == 2) return fail(Code::kUnavailable, "away");
    return json::encode(answer);
  };
  Reporter reporter(rig.executor, rig.client(), Clock::real(), 1s, [](api::NodeHealth&) {});
  CO_ASSERT_OK(co_await rig.until(3));
  CO_ASSERT_EQ(rig.reports[1].results.size(), 1U);
  CO_ASSERT_EQ(rig.reports[2].results.size(), 1U);
  EXPECT_EQ(rig.reports[2].results[0].id, "ck-1");
  co_await reporter.stop();
}

CO_TEST(Reporter, TellsOfSessionsThatFoundSomethingNew) {
  Rig rig(co_await net::this_executor());
  bool away = false;
  rig.answer = [&]() -> Result<std::string> {
    if (std::exchange(away, false)) return fail(Code::kUnavailable, "away");
    return json::encode(api::NodeHealthAnswer{Clock::real().wall(), 10'000, {}});
  };
  Reporter reporter(rig.executor, rig.client(), Clock::real(), 1s, [](api::NodeHealth&) {});
  CO_ASSERT_OK(co_await rig.until(1));
  EXPECT_FALSE(rig.reports[0].seen);
  const auto seen = [&](std::size_t report) {
    return rig.reports[report].seen.value_or(std::vector<api::ResourceSeen>{});
  };
  away = true;
  reporter.saw("rs-1", true);
  reporter.saw("rs-1", true);
  reporter.saw("rs-2", false);
  CO_ASSERT_OK(co_await rig.until(3));
  for (const std::size_t report : {1, 2}) {
    CO_ASSERT_EQ(seen(report).size(), 2U);
    EXPECT_EQ(seen(report)[0].resource, "rs-1");
    EXPECT_TRUE(seen(report)[0].healthy);
    EXPECT_FALSE(seen(report)[1].healthy);
  }
  reporter.saw("rs-1", true);
  const auto again = co_await net::with_timeout(rig.until(4), 300ms);
  EXPECT_FALSE(again) << "the same again is nothing new";
  reporter.saw("rs-1", false);
  CO_ASSERT_OK(co_await rig.until(4));
  CO_ASSERT_EQ(seen(3).size(), 1U);
  EXPECT_FALSE(seen(3)[0].healthy);
  co_await reporter.stop();
}

}  // namespace
}  // namespace portolan::node
