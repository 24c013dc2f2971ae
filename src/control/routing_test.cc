// Ways over several gateways: what nodes' reports make of what gateways and agents are told.
#include "control/routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/test_linked_node.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::LinkedNode;
using testing::RunningWatch;
using testing::TestPlane;

std::vector<std::string> ids(const std::vector<api::PeerNode>& nodes) {
  std::vector<std::string> out;
  for (const auto& node : nodes) out.push_back(node.id);
  return out;
}

// Gateway 2 has no link with the relay: it dials gateway 1 and goes by it, and agents are told so.
CO_TEST(Routing, AGatewayThatLacksALinkGoesByAnother) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto first = co_await test.join("gateway", "gateway-1");
  const auto second = co_await test.join("gateway", "gateway-2");
  const auto third = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(first && second && third);
  LinkedNode one(test, *first);
  LinkedNode two(test, *second);
  LinkedNode relay(test, *third);
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  RunningWatch agent(test, "/v1/agent", admin->by_certificate);
  for (auto* node : {&one, &two, &relay}) CO_ASSERT_OK(co_await node->come());
  // Each is told at most once a second.
  const auto report = [&]() -> net::Task<Result<>> {
    for (auto* node : {&one, &two, &relay}) {
      clock.advance(2s);
      CO_CHECK(co_await node->report());
    }
    co_return Result<>{};
  };
  relay.dialled(one, 5000).dialled(two, {}, false);
  CO_ASSERT_OK(co_await report());
  clock.advance(20s);
  CO_ASSERT_OK(co_await report());
  std::optional<api::NodeView> view;
  while (!view || view->dial->empty()) {
    auto next = co_await two.view();
    CO_ASSERT_OK(next);
    view = std::move(*next);
  }
  EXPECT_THAT(ids(*view->dial), ElementsAre(one.id()));
  EXPECT_EQ(view->dial->at(0).address, "gateway-1.example.com:5000");
  EXPECT_THAT(*view->next_hops, IsEmpty());

  two.dialled(one, 2000);
  one.accepted(two, 2000);
  CO_ASSERT_OK(co_await report());
  while (view->next_hops->empty()) {
    auto next = co_await two.view();
    CO_ASSERT_OK(next);
    view = std::move(*next);
  }
  EXPECT_EQ(view->next_hops->at(0).node, relay.id());
  EXPECT_THAT(view->next_hops->at(0).via, ElementsAre(one.id()));

  std::map<std::string, api::EgressWay> ways;
  while (ways.size() < 2) {
    const auto event = co_await agent.sink.next_of<api::AgentEvent>("view");
    CO_ASSERT_OK(event);
    ways.clear();
    for (const auto& egress : event->view->egresses.value_or(std::vector<api::AgentEgress>()))
      for (const auto& way : egress.ways.value_or(std::vector<api::EgressWay>())) ways[way.gateway] = way;
  }
  EXPECT_EQ(ways.at(one.id()).hops, 1U);
  EXPECT_EQ(ways.at(one.id()).round_trip_us, 5000U);
  EXPECT_EQ(ways.at(two.id()).hops, 2U);
  EXPECT_EQ(ways.at(two.id()).round_trip_us, 7000U);

  // The one on the way goes: nobody is sent there any more.
  clock.advance(2s);
  co_await one.watch().end();
  while (!view->next_hops->empty()) {
    auto next = co_await two.view();
    CO_ASSERT_OK(next);
    view = std::move(*next);
  }
  EXPECT_THAT(*view->next_hops, IsEmpty());
  for (auto* watch : {&two.watch(), &relay.watch(), &agent}) co_await watch->end();
}

// Of links that are a little slower or faster nobody is told, and of nothing twice a second.
CO_TEST(Routing, MeasurementsAloneWakeNobody) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto gateway = co_await test.join("gateway", "gateway-1");
  const auto first = co_await test.join("relay", "relay-1");
  const auto second = co_await test.join("relay", "relay-2");
  CO_ASSERT_TRUE(gateway && first && second);
  LinkedNode at(test, *gateway);
  LinkedNode one(test, *first);
  LinkedNode two(test, *second);
  for (auto* node : {&at, &one, &two}) CO_ASSERT_OK(co_await node->come());
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  CO_ASSERT_OK(co_await at.report());
  for (auto* node : {&one, &two}) {
    clock.advance(2s);
    CO_ASSERT_OK(co_await node->dialled(at, node == &one ? 20'000 : 21'000).report());
  }
  const auto seen = [&]() -> net::Task<Result<api::AgentView>> {
    co_return co_await test.get<api::AgentView>({"GET /v1/agent"}, admin->by_certificate);
  };
  const auto before = co_await seen();
  CO_ASSERT_OK(before);
  EXPECT_THAT(before->resources.at(0).egress, ElementsAre(one.id(), two.id()));
  clock.advance(2s);
  CO_ASSERT_OK(co_await one.dialled(at, 23'000).report());
  clock.advance(2s);
  CO_ASSERT_OK(co_await two.dialled(at, 19'500).report());
  const auto jitter = co_await seen();
  CO_ASSERT_OK(jitter);
  EXPECT_EQ(json::encode(*jitter), json::encode(*before));
  clock.advance(2s);
  CO_ASSERT_OK(co_await one.dialled(at, 60'000).report());
  const auto after = co_await seen();
  CO_ASSERT_OK(after);
  EXPECT_THAT(after->resources.at(0).egress, ElementsAre(two.id(), one.id()));
  // Within the same second: the change waits.
  CO_ASSERT_OK(co_await two.dialled(at, {}, false).report());
  const auto soon = co_await seen();
  CO_ASSERT_OK(soon);
  EXPECT_EQ(json::encode(*soon), json::encode(*after));
  for (auto* node : {&at, &one, &two}) co_await node->watch().end();
}

// A control plane that has just begun takes no way from anybody.
CO_TEST(Routing, NothingIsToldBeforeTheNodesHaveComeBack) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto first = co_await test.join("gateway", "gateway-1");
  const auto second = co_await test.join("gateway", "gateway-2");
  const auto third = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(first && second && third);
  test.open();
  LinkedNode one(test, *first);
  LinkedNode two(test, *second);
  LinkedNode relay(test, *third);
  for (auto* node : {&one, &two, &relay}) CO_ASSERT_OK(co_await node->come());
  const auto now = co_await test.get<api::NodeView>({"GET /v1/node"}, second->by_certificate);
  CO_ASSERT_OK(now);
  EXPECT_FALSE(now->dial);
  EXPECT_FALSE(now->next_hops);
  clock.advance(2s);
  CO_ASSERT_OK(co_await one.report());
  clock.advance(2s);
  CO_ASSERT_OK(co_await two.dialled(one, 2000).report());
  clock.advance(2s);
  CO_ASSERT_OK(co_await relay.dialled(one, 5000).dialled(two, {}, false).report());
  // All have reported, and what gateway 2 dialled before is what it shall dial.
  const auto view = co_await two.view();
  CO_ASSERT_OK(view);
  EXPECT_THAT(ids(*view->dial), ElementsAre(one.id()));
  CO_ASSERT_EQ(view->next_hops->size(), 1U);
  EXPECT_THAT(view->next_hops->at(0).via, ElementsAre(one.id()));
  for (auto* node : {&one, &two, &relay}) co_await node->watch().end();
}

}  // namespace
}  // namespace portolan::control
