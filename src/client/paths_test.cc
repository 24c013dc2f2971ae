#include "client/paths_testing.h"

namespace portolan::client {
namespace {

std::vector<api::AgentEgress> only_way(api::EgressWay way) {
  api::AgentEgress egress{"n-9", "relay"};
  egress.ways.emplace().push_back(std::move(way));
  return {std::move(egress)};
}

CO_TEST(Paths, GoOnWithinASecondWhenTheGatewayIsReset) {
  World world(co_await net::this_executor());
  const bool ready = co_await world.begin();
  CO_ASSERT_TRUE(ready);
  const auto opened = co_await world.open();
  CO_ASSERT_OK(opened);
  const auto before = co_await answered(*opened->stream, "before");
  EXPECT_LT(before, 5s);
  const std::string by = world.path().gateway;
  world.used().die();
  const auto after = co_await answered(*opened->stream, "after");
  EXPECT_LT(after, 1s);
  EXPECT_NE(world.path().gateway, by);
  EXPECT_EQ(world.path().handshakes, 1U);
  co_await world.end();
}

net::Task<> comes_back(FakeGateway& gateway, std::chrono::milliseconds after) {
  [[maybe_unused]] const auto slept = co_await net::sleep_for(after);
  gateway.away = false;
}

// As when the gateways are killed one after the other, and the relay's link with the first of them is not back yet.
CO_TEST(Paths, WaitAtAGatewayThatTheRelayHasNoLinkWithYet) {
  World world(co_await net::this_executor());
  const bool ready = co_await world.begin();
  CO_ASSERT_TRUE(ready);
  const auto opened = co_await world.open();
  CO_ASSERT_OK(opened);
  FakeGateway& used = world.used();
  FakeGateway& other = &used == &world.one ? world.two : world.one;
  other.away = true;
  used.die();
  other.tasks.spawn("comes-back", comes_back(other, 700ms));
  const auto after = co_await answered(*opened->stream, "after");
  EXPECT_GE(after, 600ms);
  EXPECT_LT(after, 2s);
  EXPECT_EQ(other.asked.size(), 2U) << "once, and once with leave to wait";
  EXPECT_EQ(world.path().handshakes, 1U);
  co_await world.end();
}

// The link to the gateway itself stands and answers: it is a gateway further on that is frozen.
CO_TEST(Paths, GoOnWithinTheKeepAliveTimeWhenTheWayIsSilent) {
  World world(co_await net::this_executor());
  const bool ready = co_await world.begin();
  CO_ASSERT_TRUE(ready);
  const auto opened = co_await world.open();
  CO_ASSERT_OK(opened);
  const auto before = co_await answered(*opened->stream, "before");
  EXPECT_LT(before, 5s);
  FakeGateway& silent = world.used();
  silent.freeze();
  const auto after = co_await answered(*opened->stream, "after");
  EXPECT_LT(after, 3s);
  EXPECT_NE(&world.used(), &silent);
  const std::size_t asked = silent.asked.size();
  world.used().die();
  const auto last = co_await answered(*opened->stream, "and on", 2s);
  EXPECT_GE(last, 2s) << "the only way left is silent";
  EXPECT_GT(silent.asked.size(), asked);
  co_await world.end();
}

CO_TEST(Paths, AGatewayThatHasNoWayIsTriedLast) {
  World world(co_await net::this_executor());
  const bool ready = co_await world.begin();
  CO_ASSERT_TRUE(ready);
  world.paths.know_ways(only_way({"n-2", 90'000'000, 3}));
  const auto opened = co_await world.open();
  CO_ASSERT_OK(opened);
  EXPECT_EQ(world.path().gateway, "g2");
  EXPECT_TRUE(world.one.asked.empty());
  world.two.die();
  const auto after = co_await answered(*opened->stream, "after");
  EXPECT_LT(after, 1s) << "the control plane may be wrong";
  EXPECT_EQ(world.path().gateway, "g1");
  co_await world.end();
}

CO_TEST(Paths, ShowTheGatewaysThatTheyGoBy) {
  World world(co_await net::this_executor());
  world.one.hops = "n-2,n-7";
  const bool ready = co_await world.begin();
  CO_ASSERT_TRUE(ready);
  world.paths.know_ways(only_way({"n-1", 1, 3}));
  const auto opened = co_await world.open();
  CO_ASSERT_OK(opened);
  const auto path = world.path();
  EXPECT_EQ(path.gateway, "g1");
  CO_ASSERT_TRUE(path.hops.has_value());
  EXPECT_EQ(*path.hops, (std::vector<std::string>{"g1", "g2", "n-7"}));
  co_await world.end();
}

CO_TEST(Paths, AnEgressGatewayThatCannotBeDialledIsReachedByAnother) {
  const auto executor = co_await net::this_executor();
  World world(executor, "n-3");
  auto nobody = net::listen_tcp(executor, {"127.0.0.1", 0}, [](auto) {});
  CO_ASSERT_OK(nobody);
  const std::string address = net::to_text((*nobody)->local());
  nobody->reset();
  const bool ready = co_await world.begin({{"n-3", "g3", address}});
  CO_ASSERT_TRUE(ready);
  api::AgentResource resource = kEcho;
  resource.egress = {"n-3"};
  const auto opened = co_await world.open(resource);
  CO_ASSERT_OK(opened);
  EXPECT_EQ(world.path().kind, "nested");
  world.one.die();
  world.two.die();
  const bool broken = co_await comes_true([&] { return world.path().state == "reconnecting"; });
  CO_ASSERT_TRUE(broken);
  const auto refused = co_await world.paths.open(resource, "open", "t-2");
  EXPECT_FALSE(refused);
  co_await world.end();
}

}  // namespace
}  // namespace portolan::client
