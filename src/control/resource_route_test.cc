// The way to a resource, explained: which node, by which gateways, and why not the others.
#include "control/resource_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/routing.h"
#include "control/test_linked_node.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LinkedNode;
using testing::TestPlane;

net::Task<Result<api::RouteView>> route(TestPlane& test, std::map<std::string, std::string> query = {}) {
  co_return co_await test.get<api::RouteView>({"GET /v1/resources/billing/route", std::move(query)}, test.admin);
}

const api::RouteCandidate* candidate(const api::RouteView& view, const std::string& name) {
  const auto found = std::ranges::find(view.candidates, name, &api::RouteCandidate::name);
  return found == view.candidates.end() ? nullptr : &*found;
}
std::string code(const api::RouteView& view, const std::string& name) {
  const auto* found = candidate(view, name);
  return found ? found->code : "none";
}

CO_TEST(Route, SaysWhichWayIsTakenAndWhyNotTheOthers) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.make_account("bob@example.com"));
  CO_ASSERT_OK(co_await test.give("ann@example.com", "billing"));
  const auto g1 = co_await test.join("gateway", "gateway-1");
  const auto g2 = co_await test.join("gateway", "gateway-2");
  const auto g3 = co_await test.join("gateway", "gateway-3");
  const auto fast = co_await test.join("relay", "relay-fast");
  const auto slow = co_await test.join("relay", "relay-slow");
  const auto cut = co_await test.join("relay", "relay-cut");
  const auto test_only = co_await test.join("relay", "relay-test");
  CO_ASSERT_OK(co_await test.join("relay", "relay-down"));
  CO_ASSERT_TRUE(g1 && g2 && g3 && fast && slow && cut && test_only);
  for (const char* name : {"relay-fast", "relay-slow", "relay-cut", "relay-down"})
    CO_ASSERT_OK(co_await test.get<api::NodeStatusView>(
        {"PATCH /v1/nodes/" + std::string(name), {}, R"({"tags":{"env":"prod"}})"}, test.admin));
  CO_ASSERT_OK(co_await test.get<api::ResourceView>(
      {"PATCH /v1/resources/billing", {}, R"({"egress_filter":"env=prod"})"}, test.admin));
  LinkedNode one(test, *g1);
  LinkedNode two(test, *g2);
  LinkedNode relay_fast(test, *fast);
  LinkedNode relay_slow(test, *slow);
  LinkedNode relay_cut(test, *cut);
  LinkedNode relay_test(test, *test_only);
  for (auto* node : {&one, &two, &relay_fast, &relay_slow, &relay_cut, &relay_test})
    CO_ASSERT_OK(co_await node->come());
  relay_fast.dialled(one, 3000).dialled(two, {}, false);
  relay_slow.dialled(one, 30'000).dialled(two, 31'000);
  relay_cut.dialled(one, {}, false).dialled(two, {}, false);
  relay_test.dialled(one, 100).dialled(two, 100);
  two.dialled(one, 1000);
  for (auto* node : {&one, &two, &relay_fast, &relay_slow, &relay_cut, &relay_test}) {
    clock.advance(2s);
    CO_ASSERT_OK(co_await node->report());
  }
  const auto view = co_await route(test, {{"account", "ann@example.com"}});
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->egress, "relay-fast");
  EXPECT_EQ(view->egress_filter, "env=prod");
  EXPECT_FALSE(view->problem) << *view->problem;
  EXPECT_EQ(view->allowed, true);
  EXPECT_EQ(view->candidates.at(0).name, "relay-fast");
  EXPECT_EQ(view->candidates.at(0).round_trip_us, 3000U);
  EXPECT_EQ(code(*view, "relay-fast"), "ok");
  EXPECT_EQ(code(*view, "relay-slow"), "slower");
  EXPECT_EQ(code(*view, "relay-cut"), "no_way");
  EXPECT_EQ(code(*view, "relay-down"), "down");
  EXPECT_EQ(code(*view, "relay-test"), "egress_filter");
  EXPECT_EQ(code(*view, "gateway-1"), "egress_filter");
  EXPECT_FALSE(candidate(*view, "relay-test")->may);
  CO_ASSERT_EQ(view->gateways.size(), 3U);
  EXPECT_EQ(view->gateways[0].name, "gateway-1");
  EXPECT_THAT(view->gateways[0].via, ElementsAre("relay-fast"));
  EXPECT_EQ(view->gateways[1].name, "gateway-2");
  EXPECT_THAT(view->gateways[1].via, ElementsAre("gateway-1", "relay-fast"));
  EXPECT_EQ(view->gateways[1].round_trip_us, 4000U);
  EXPECT_EQ(view->gateways[2].name, "gateway-3");
  EXPECT_EQ(view->gateways[2].code, "down");

  const auto not_he = co_await route(test, {{"account", "bob@example.com"}});
  CO_ASSERT_OK(not_he);
  EXPECT_EQ(not_he->allowed, false);
  EXPECT_FALSE(not_he->reasons.empty());
  for (auto* node : {&one, &two, &relay_fast, &relay_slow, &relay_cut, &relay_test}) co_await node->watch().end();
}

CO_TEST(Route, DoesNotKnowYetOfARelayThatHasJustBegun) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto gateway = co_await test.join("gateway", "gateway-1");
  const auto joined = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(gateway && joined);
  LinkedNode one(test, *gateway);
  LinkedNode relay(test, *joined);
  CO_ASSERT_OK(co_await one.come());
  CO_ASSERT_OK(co_await relay.come());
  clock.advance(30s);  // what is not known by now is not waited for
  CO_ASSERT_OK(co_await one.report());
  clock.advance(2s);
  relay.health.linking = true;
  CO_ASSERT_OK(co_await relay.report());
  auto view = co_await route(test);
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->gateways.at(0).code, "unknown");
  EXPECT_THAT(view->gateways.at(0).reason, HasSubstr("not known yet"));
  EXPECT_EQ(code(*view, "relay-1"), "ok") << "nothing speaks against it";
  clock.advance(2s);
  CO_ASSERT_OK(co_await relay.dialled(one, 1000).report());
  view = co_await route(test);
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->gateways.at(0).code, "ok") << "a link that it has counts at once";
  clock.advance(2s);
  relay.health.linking.reset();
  CO_ASSERT_OK(co_await relay.dialled(one, {}, false).report());
  view = co_await route(test);
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->gateways.at(0).code, "no_way");
  EXPECT_EQ(code(*view, "relay-1"), "no_way");
  co_await one.watch().end();
  co_await relay.watch().end();
}

CO_TEST(Route, SaysWhyThereIsNone) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto problem = [&]() -> net::Task<std::string> {
    const auto view = co_await route(test);
    if (!view) co_return view.error().message;
    co_return view->egress ? "goes to " + *view->egress : view->problem.value_or("says nothing");
  };
  {
    const auto said = co_await problem();
    EXPECT_THAT(said, HasSubstr("no relay or gateway serves it"));
  }
  const auto gateway = co_await test.join("gateway", "gateway-1");
  const auto joined = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(gateway && joined);
  {
    const auto said = co_await problem();
    EXPECT_THAT(said, HasSubstr("none of the nodes that may be its egress can be used now"));
  }
  LinkedNode one(test, *gateway);
  LinkedNode relay(test, *joined);
  CO_ASSERT_OK(co_await one.come());
  CO_ASSERT_OK(co_await relay.come());
  clock.advance(2s);
  CO_ASSERT_OK(co_await one.report());
  clock.advance(2s);
  CO_ASSERT_OK(co_await relay.dialled(one, 1000).report());
  CO_ASSERT_EQ(co_await problem(), "goes to relay-1");

  // Groups without a link between them.
  const auto group = [&](std::string body) -> net::Task<Result<api::PeeringGroupView>> {
    clock.advance(2s);
    co_return co_await test.get<api::PeeringGroupView>({"POST /v1/peering-groups", {}, std::move(body)}, test.admin);
  };
  CO_ASSERT_OK(co_await group(R"({"name":"edge","nodes":["gateway-1"]})"));
  CO_ASSERT_OK(co_await group(R"({"name":"berlin","nodes":["relay-1"],"resources":["billing"]})"));
  {
    const auto said = co_await problem();
    EXPECT_THAT(said, HasSubstr("no gateway may be linked with the nodes that may be its egress"));
  }
  const auto view = co_await route(test);
  CO_ASSERT_OK(view);
  EXPECT_THAT(view->peering_groups, ElementsAre("berlin"));
  EXPECT_EQ(code(*view, "relay-1"), "no_way");
  EXPECT_EQ(view->gateways.at(0).code, "peering_group");
  clock.advance(2s);
  CO_ASSERT_OK(co_await test.get<api::PeeringGroupView>(
      {"PATCH /v1/peering-groups/berlin", {}, R"({"peers":["edge"]})"}, test.admin));
  CO_ASSERT_EQ(co_await problem(), "goes to relay-1");
  // A group that has no node.
  clock.advance(2s);
  CO_ASSERT_OK(
      co_await test.get<api::PeeringGroupView>({"PATCH /v1/peering-groups/berlin", {}, R"({"nodes":[]})"}, test.admin));
  {
    const auto said = co_await problem();
    EXPECT_THAT(said, HasSubstr("is in its peering groups (\"berlin\")"));
  }
  const auto unknown = co_await test.call({"GET /v1/resources/gone/route"}, test.admin);
  EXPECT_EQ(unknown.status, 404);
  const auto nobody = co_await test.call({"GET /v1/resources/billing/route", {{"account", "gone"}}}, test.admin);
  EXPECT_EQ(nobody.status, 404);
  co_await one.watch().end();
  co_await relay.watch().end();
}

}  // namespace
}  // namespace portolan::control
