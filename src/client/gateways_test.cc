#include "client/gateways.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/tcp.h"

namespace portolan::client {
namespace {

using namespace std::chrono_literals;

Credentials some_credentials() {
  const auto now = Clock::real().wall();
  auto key = crypto::PrivateKey::generate();
  const auto authority = crypto::Authority::create("test", crypto::Profile::kUser, now, 1h);
  auto certificate = *authority.issue(
      {crypto::Profile::kUser, key.public_key(), "ann", {crypto::to_uri(crypto::UserIdentity{"o", "a-1", "d-1"})}},
      now);
  ClientState state;
  state.organization = "o";
  state.node_ca = authority.certificate().pem();
  return Credentials{std::move(state), std::move(certificate), std::move(key)};
}

CO_TEST(Gateways, SayWhenThereIsNoWay) {
  const auto executor = co_await net::this_executor();
  const Credentials credentials = some_credentials();
  Changes changes(executor);
  Gateways gateways(executor, credentials, changes);
  EXPECT_FALSE(gateways.no_way_to({"n-relay"})) << "that there is none says the control plane";
  // A port that nobody listens on.
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0}, [](auto) {});
  CO_ASSERT_OK(listener);
  const std::string nobody = net::to_text((*listener)->local());
  listener->reset();
  gateways.follow({{"n-g1", "g1", nobody}, {"n-g2", "g2", nobody}});
  EXPECT_FALSE(gateways.no_way_to({"n-relay"})) << "not tried yet";
  Changes::Watcher watcher(changes);
  for (int i = 0; i < 20 && !gateways.no_way_to({"n-relay"}); ++i) {
    CO_ASSERT_OK(co_await watcher.wait(1s));
  }
  for (const std::vector<std::string>& egress : {std::vector<std::string>{"n-relay"}, {"n-relay", "n-g1"}}) {
    const auto no_way = gateways.no_way_to(egress);
    CO_ASSERT_TRUE(no_way.has_value());
    EXPECT_TRUE(no_way->contains("gateway g1 is down: ") && no_way->contains("; gateway g2 is down: ")) << *no_way;
  }
  const auto direct = gateways.no_way_to({"n-g2"});
  CO_ASSERT_TRUE(direct.has_value());
  EXPECT_FALSE(direct->contains("g1")) << *direct << ": the egress is the gateway itself";
  EXPECT_FALSE(gateways.no_way_to({}));
  co_await gateways.stop();
}

TEST(WhyLinkEnded, TellsIntentionFromLoss) {
  const Error said =
      why_link_ended("gateway g1", {Code::kUnavailable, "gateway g1 is stopping", "node_stopping", {}}, Hop::kGateway);
  EXPECT_EQ(said.message, "gateway g1 is stopping");
  EXPECT_EQ(said.reason, "node_stopping");
  EXPECT_EQ(said.hop, Hop::kGateway);
  EXPECT_EQ(
      why_link_ended("g", {Code::kUnavailable, "the network…", "network_changed", Hop::kAgent}, Hop::kGateway).hop,
      Hop::kAgent);
  const Error lost = why_link_ended(
      "gateway g1", {Code::kEof, "link tcp 127.0.0.1:5000: the peer closed the link", {}, {}}, Hop::kGateway);
  EXPECT_EQ(lost.message, "the link to gateway g1 was lost: the peer closed the link");
  EXPECT_EQ(lost.reason, "gateway_lost");
  EXPECT_TRUE(lost.retry_can_help());
  EXPECT_EQ(why_link_ended("node r1", {Code::kIo, "reset", {}, {}}, Hop::kEgress).reason, "egress_lost");
}

}  // namespace
}  // namespace portolan::client
