#include "node/control_watch.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "node/fake_control.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

// The table of architecture §5, partition by partition and at its edges.
TEST(AwayRules, Table) {
  struct Row {
    std::optional<std::chrono::milliseconds> away;
    std::chrono::milliseconds grace;
    bool renew, new_on_cached, keep;
  };
  for (const Row& row :
       {Row{std::nullopt, 5min, true, true, true}, Row{0ms, 5min, false, true, true},
        Row{14999ms, 5min, false, true, true}, Row{15s, 5min, false, true, true},
        Row{299999ms, 5min, false, true, true}, Row{5min, 5min, false, false, false},
        Row{1h, 5min, false, false, false}, Row{14999ms, 2s, false, true, true}, Row{15s, 2s, false, false, false}}) {
    const AwayRules rules = rules_when(row.away, row.grace);
    EXPECT_EQ(rules.renew, row.renew);
    EXPECT_EQ(rules.new_on_cached_leases, row.new_on_cached);
    EXPECT_EQ(rules.keep_live_sessions, row.keep);
  }
}

TEST(IndexedView, SaysWhoMayReachWhatAndWhoIsDenied) {
  const IndexedView view({{}, {{"a-1", {"n-1", "n-2"}}}, {"a-9"}, {"d-9"}, {"ff"}});
  EXPECT_TRUE(view.account_may_reach("a-1", "n-2"));
  EXPECT_FALSE(view.account_may_reach("a-1", "n-3"));
  EXPECT_FALSE(view.account_may_reach("a-2", "n-1"));
  EXPECT_TRUE(view.denies("a-9", "d-1", "00"));
  EXPECT_TRUE(view.denies("a-1", "d-9", "00"));
  EXPECT_TRUE(view.denies("a-1", "d-1", "ff"));
  EXPECT_FALSE(view.denies("a-1", "d-1", "00"));
}

CO_TEST(ControlWatch, TellsOfViewsRevocationsAndAbsence) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  testing::FakeControl control([](const std::string&, const std::string&) { return Result<std::string>("{}"); });
  api::NodeEvent view{"view", "e", 1, api::NodeView{}, std::nullopt, std::nullopt};
  api::NodeEvent revoke{"revoke", "e", 2, std::nullopt, std::vector<std::string>{"l-1"}, "membership taken away"};
  control.lines = {json::encode(view), json::encode(revoke),
                   R"({"kind":"of a newer release","epoch":"e","revision":3,"more":1})"};
  std::vector<std::string> told;
  net::Event done(executor);
  ControlWatch watch(executor, control, clock, {},
                     {[&] { told.push_back("connected"); }, [&] { told.push_back("view"); },
                      [&](const std::vector<std::string>& leases, const std::string& reason, const std::string&) {
                        told.push_back(leases.at(0) + " " + reason);
                        done.set();
                      }});
  clock.advance(3s);
  EXPECT_EQ(watch.away(), 3s);
  CO_ASSERT_OK(co_await done.wait(5s));
  EXPECT_EQ(told, (std::vector<std::string>{"view", "connected", "l-1 membership taken away"}));
  EXPECT_FALSE(watch.away());
  watch.tasks().cancel();
  co_await watch.tasks().join();
}

CO_TEST(ControlWatch, KeepsTheWaysThatItKnows) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  testing::FakeControl control([](const std::string&, const std::string&) { return Result<std::string>("{}"); });
  api::NodeView known;
  known.dial = std::vector<api::PeerNode>{{"n-2", "g2", "gateway", "g2:5000"}};
  known.next_hops = std::vector<api::NextHop>{{"n-9", {"n-2"}}};
  api::NodeView none;
  none.dial = std::vector<api::PeerNode>{};
  none.next_hops = std::vector<api::NextHop>{};
  for (const auto& view : {known, api::NodeView{}, none})
    control.lines.push_back(json::encode(api::NodeEvent{"view", "e", 1, view, std::nullopt, std::nullopt}));
  net::Event done(executor);
  std::vector<std::size_t> dialled, by;
  const ControlWatch* seen = nullptr;
  ControlWatch watch(executor, control, clock, {},
                     {[] {},
                      [&] {
                        dialled.push_back(seen->view()->view.dial->size());
                        by.push_back(seen->view()->via("n-9").size());
                        if (by.size() == 3) done.set();
                      },
                      {}});
  seen = &watch;
  CO_ASSERT_OK(co_await done.wait(5s));
  EXPECT_EQ(dialled, (std::vector<std::size_t>{1, 1, 0}));
  EXPECT_EQ(by, (std::vector<std::size_t>{1, 1, 0}));
  watch.tasks().cancel();
  co_await watch.tasks().join();
}

CO_TEST(ControlWatch, KnowsWhenItsNodeIsRevoked) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  testing::FakeControl control([](const std::string&, const std::string&) { return Result<std::string>("{}"); });
  control.lines = {json::encode(api::NodeEvent{"view", "e", 1, api::NodeView{}, std::nullopt, std::nullopt})};
  control.watch_ends = fail(Code::kUnauthenticated, "this node has been revoked", "node_revoked");
  ControlWatch watch(executor, control, clock, {}, {[] {}, [] {}, {}});
  for (int i = 0; i < 500 && !watch.refused(); ++i) {
    CO_ASSERT_OK(co_await net::sleep_for(std::chrono::milliseconds(10)));
  }
  EXPECT_TRUE(watch.refused());
  EXPECT_TRUE(watch.revoked());
  EXPECT_TRUE(watch.view()) << "what it knows it goes on with";
  watch.tasks().cancel();
  co_await watch.tasks().join();
}

}  // namespace
}  // namespace portolan::node
