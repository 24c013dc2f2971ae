#include "client/gateways.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/tcp.h"
#include "tunnel/link.h"

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

// Accepts links as a gateway does.
struct FakeGateway {
  FakeGateway(const net::Executor& on, const crypto::Authority& nodes, const crypto::Authority& users, std::string id)
      : tasks(on) {
    const auto key = crypto::PrivateKey::generate();
    const auto leaf = nodes.issue(
        {crypto::Profile::kNode, key.public_key(), "g", {crypto::to_uri(crypto::NodeIdentity{"o", std::move(id)})}},
        Clock::real().wall());
    server = *tunnel::make_link_server(
        {{{*leaf}, std::make_shared<const crypto::PrivateKey>(key)}, {nodes.certificate()}, {users.certificate()}},
        {tunnel::Purpose::kUser}, nullptr);
    listener = *net::listen_tcp(on, {"127.0.0.1", 0}, [this](std::unique_ptr<net::TcpStream> stream) {
      tasks.spawn("accept", accept(std::move(stream)));
    });
    address = net::to_text(listener->local());
  }
  net::Task<> accept(std::unique_ptr<net::Stream> stream) {
    auto accepted = co_await tunnel::accept_link(std::move(stream), server, {});
    if (!accepted) co_return;
    links.push_back(tunnel::start_mux(
        std::move(*accepted), {},
        [this](std::unique_ptr<tunnel::Incoming> incoming) { streams.push_back(incoming->accept()); },
        [](const Error&) {}));
  }
  net::Task<> stop() {
    listener.reset();
    tasks.cancel();
    co_await tasks.join();
  }

  std::shared_ptr<const net::TlsServer> server;
  std::unique_ptr<net::Listener> listener;
  std::string address;
  std::vector<std::unique_ptr<tunnel::MuxStream>> streams;
  std::vector<std::unique_ptr<tunnel::Link>> links;
  net::TaskGroup tasks;
};

CO_TEST(Gateways, OneThatLeavesTakesNothingNewAndKeepsWhatRuns) {
  const auto executor = co_await net::this_executor();
  const auto now = Clock::real().wall();
  const auto nodes = crypto::Authority::create("nodes", crypto::Profile::kNode, now, 1h);
  const auto users = crypto::Authority::create("users", crypto::Profile::kUser, now, 1h);
  Credentials credentials = some_credentials();
  credentials.state.node_ca = nodes.certificate().pem();
  credentials.certificate = *users.issue({crypto::Profile::kUser,
                                          credentials.key.public_key(),
                                          "ann",
                                          {crypto::to_uri(crypto::UserIdentity{"o", "a-1", "d-1"})}},
                                         now);
  FakeGateway busy(executor, nodes, users, "n-g1");
  FakeGateway idle(executor, nodes, users, "n-g2");
  FakeGateway other(executor, nodes, users, "n-g3");
  Changes changes(executor);
  Gateways gateways(executor, credentials, changes);
  std::vector<std::string> left;
  gateways.on_leaving([&](const std::string& id) { left.push_back(id); });
  gateways.follow({{"n-g1", "g1", busy.address}, {"n-g2", "g2", idle.address}, {"n-g3", "g3", other.address}});
  const auto all_serve = [&] {
    return gateways.serves("n-g1") && gateways.serves("n-g2") && gateways.serves("n-g3") && !busy.links.empty() &&
           !idle.links.empty();
  };
  for (int i = 0; i < 500 && !all_serve(); ++i) CO_ASSERT_OK(co_await net::sleep_for(10ms));
  CO_ASSERT_TRUE(all_serve());
  auto linked = co_await gateways.linked(0ms);
  CO_ASSERT_OK(linked);
  const auto found = std::ranges::find(*linked, "n-g1", &Gateways::Linked::id);
  CO_ASSERT_TRUE(found != linked->end());
  const auto running = found->mux->open({"n-relay"});
  CO_ASSERT_OK(running);
  CO_ASSERT_OK(co_await (*running)->answered(5s));

  for (auto* leaving : {&busy, &idle}) {
    leaving->listener.reset();
    leaving->links.at(0)->mux->drain();
  }
  for (int i = 0; i < 500 && left.size() < 2; ++i) CO_ASSERT_OK(co_await net::sleep_for(10ms));
  std::ranges::sort(left);
  CO_ASSERT_TRUE((left == std::vector<std::string>{"n-g1", "n-g2"}));
  EXPECT_FALSE(gateways.serves("n-g1") || gateways.serves("n-g2"));
  linked = co_await gateways.linked(0ms);
  CO_ASSERT_OK(linked);
  CO_ASSERT_EQ(linked->size(), 1U);
  EXPECT_EQ(linked->front().id, "n-g3");
  CO_ASSERT_OK(co_await net::write(**running, as_bytes("still here")));
  const auto heard = co_await net::read(*busy.streams.at(0));
  CO_ASSERT_OK(heard);
  EXPECT_EQ(as_text(heard->data()), "still here");
  EXPECT_FALSE(gateways.why_ended("n-g1")) << "its link stands";
  // Who went over a link on which nothing ran is told what has become of it.
  for (int i = 0; i < 500 && !gateways.why_ended("n-g2"); ++i) CO_ASSERT_OK(co_await net::sleep_for(10ms));
  const auto why = gateways.why_ended("n-g2");
  CO_ASSERT_TRUE(why.has_value());
  EXPECT_EQ(why->reason, "node_stopping");
  EXPECT_EQ(why->message, "gateway g2 is stopping");
  co_await gateways.stop();
  for (auto* gateway : {&busy, &idle, &other}) co_await gateway->stop();
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
