// Several gateways in a row (docs/wire.md): what is forwarded, what is refused, and what follows when one is away.
#include "node/routing_testing.h"

namespace portolan::node::testing {
namespace {
using namespace std::chrono_literals;

const net::http::Headers kSpliced = {{std::string(tunnel::kPathHeader), std::string(tunnel::kPathSpliced)}};

// What arrives at `to` of what is written to `from`.
net::Task<std::string> pass(net::Stream& from, net::Stream& to, std::string_view text) {
  const auto written = co_await net::write(from, as_bytes(text));
  if (!written) co_return "not written: " + written.error().message;
  const auto heard = co_await net::with_timeout(net::read(to), 5s);
  co_return heard ? std::string(as_text(heard->data())) : "not heard: " + heard.error().message;
}

// Whether it ends, within five seconds.
net::Task<bool> is_closed(net::Stream& stream) {
  const auto read = co_await net::with_timeout(net::read(stream), 5s);
  co_return !read ? read.error().code != Code::kTimeout : read->empty();
}

std::string hops_of(const tunnel::MuxStream& stream) {
  const auto hops = stream.answer().find(tunnel::kHopsHeader);
  return hops == stream.answer().end() ? "" : hops->second;
}

CO_TEST(Routing, ANestedPathGoesByThreeGateways) {
  Row row(co_await net::this_executor(), 3);
  row.lead(1, {2});
  row.lead(2, {3});
  const bool ready = co_await row.begin({3});
  CO_ASSERT_TRUE(ready);
  auto path = co_await row.open();
  CO_ASSERT_OK(path);
  EXPECT_EQ(hops_of(**path), "n-2,n-3") << "the client can say by which gateways it goes";
  CO_ASSERT_EQ(row.arrived.size(), 1U);
  const auto there = co_await pass(**path, *row.arrived.at(0), "there");
  const auto back = co_await pass(*row.arrived.at(0), **path, "and back");
  EXPECT_EQ(there, "there");
  EXPECT_EQ(back, "and back");
  for (std::size_t number = 1; number <= 3; ++number) EXPECT_EQ(row.at(number).gateway.streams(), 1U) << number;
  const auto links = row.at(1).peers.health();
  CO_ASSERT_EQ(links.size(), 1U);
  EXPECT_TRUE(links[0].node == "n-2" && links[0].state == "up" && links[0].address == row.at(2).address);
  const bool measured = co_await comes_true([&] { return row.at(1).peers.health().at(0).round_trip_us.has_value(); });
  EXPECT_TRUE(measured);
  path->reset();
  row.arrived.clear();
  const bool over = co_await comes_true([&] { return row.at(2).gateway.streams() == 0; });
  EXPECT_TRUE(over);
  const bool counted = co_await comes_true([&] {
    return std::ranges::all_of(row.gateways,
                               [](const auto& gateway) { return gateway->gateway.counters().bytes == 13; });
  });
  EXPECT_TRUE(counted) << "each counts what it has carried";
  co_await row.end();
}

CO_TEST(Routing, ASplicedPathGoesByThreeGatewaysAndEndsWithALinkOnTheWay) {
  Row row(co_await net::this_executor(), 3);
  row.lead(1, {2});
  row.lead(2, {3});
  const bool ready = co_await row.begin({3});
  CO_ASSERT_TRUE(ready);
  auto answer = co_await row.open(kSpliced);
  CO_ASSERT_OK(answer);
  EXPECT_EQ(hops_of(**answer), "n-2,n-3");
  auto path = co_await row.plain(**answer);
  CO_ASSERT_OK(path);
  const bool arrived = co_await comes_true([&] { return row.arrived.size() == 1; });
  CO_ASSERT_TRUE(arrived);
  const auto there = co_await pass(**path, *row.arrived.at(0), "there");
  const auto back = co_await pass(*row.arrived.at(0), **path, "and back");
  EXPECT_EQ(there, "there");
  EXPECT_EQ(back, "and back");
  for (std::size_t number = 1; number <= 3; ++number) EXPECT_EQ(row.at(number).gateway.spliced(), 1U) << number;

  row.views[1].dial->clear();  // the second gateway is to have no link with the third any more
  row.at(2).tell(row.views[1]);
  const bool closed = co_await is_closed(**path);
  const bool closed_there = co_await is_closed(*row.arrived.at(0));
  EXPECT_TRUE(closed && closed_there);
  const bool gone = co_await comes_true([&] { return row.at(3).gateway.node_links() == 0; });
  EXPECT_TRUE(gone) << "the list no longer names it";
  co_await row.end();
}

CO_TEST(Routing, WhereNoPlainConnectionPassesTheStreamIsThePath) {
  const auto executor = co_await net::this_executor();
  Row row(executor, 2);
  row.lead(1, {2});
  // The way from the first gateway to the second, which is shut behind the link.
  auto door = net::listen_tcp(executor, {"127.0.0.1", 0}, [&](std::unique_ptr<net::TcpStream> stream) {
    row.at(2).acceptor.add(std::move(stream));
  });
  CO_ASSERT_OK(door);
  row.views[0].dial->at(0).address = net::to_text((*door)->local());
  const bool ready = co_await row.begin({2});
  CO_ASSERT_TRUE(ready);
  door->reset();
  auto path = co_await row.open(kSpliced);
  CO_ASSERT_OK(path);
  EXPECT_FALSE((*path)->answer().contains(tunnel::kTicketHeader));
  CO_ASSERT_EQ(row.arrived.size(), 2U);
  const auto there = co_await pass(**path, *row.arrived.back(), "there");
  EXPECT_EQ(there, "there");
  // And where the relay cannot dial back.
  row.at(1).clock.moved = 11min;
  row.at(2).listener.reset();
  path = co_await row.open(kSpliced);
  CO_ASSERT_OK(path);
  EXPECT_FALSE((*path)->answer().contains(tunnel::kTicketHeader));
  const auto again = co_await pass(**path, *row.arrived.back(), "again");
  EXPECT_EQ(again, "again");
  co_await row.end();
}

CO_TEST(Routing, TheNextGatewayMayItselfBeTheEgress) {
  Row row(co_await net::this_executor(), 2);
  row.lead(1, {2}, {"n-2"});
  const bool ready = co_await row.begin({});
  CO_ASSERT_TRUE(ready);
  for (const auto& headers : {net::http::Headers{}, kSpliced}) {
    auto path = co_await row.open(headers, "n-2");
    CO_ASSERT_OK(path);
    CO_ASSERT_TRUE(!row.at(2).ended_here.empty());
    const auto there = co_await pass(**path, *row.at(2).ended_here.back(), "there");
    EXPECT_EQ(there, "there");
  }
  co_await row.end();
}

// Tables that lead in a circle.
CO_TEST(Routing, WrongTablesLeadInNoCircle) {
  Row row(co_await net::this_executor(), 3);
  row.lead(1, {2});
  row.lead(2, {3});
  row.lead(3, {1, 2});
  const bool ready = co_await row.begin({});
  CO_ASSERT_TRUE(ready);
  const auto refused = co_await row.open();
  CO_ASSERT_ERROR(refused, Code::kUnavailable);
  EXPECT_EQ(refused.error().reason, "relay_away");
  EXPECT_EQ(refused.error().hop, Hop::kGateway);
  EXPECT_TRUE(refused.error().message.starts_with("gateway name-n-2: gateway name-n-3: ")) << refused.error().message;
  for (std::size_t number = 1; number <= 3; ++number) {
    const bool over = co_await comes_true([&] { return row.at(number).gateway.streams() == 0; });
    EXPECT_TRUE(over) << number;
  }
  co_await row.end();
}

struct Told {
  std::string what;
  std::string hops, account, device, node;
  std::string reason;  // of the refusal; empty: it is carried
};

CO_TEST(Routing, WhatAGatewayForwardsIsChecked) {
  Row row(co_await net::this_executor(), 3);
  row.lead(2, {3});
  row.views[1].denied_devices = {"d-8"};
  row.views[1].denied_accounts = {"a-8"};
  row.views[1].accounts.push_back({"a-8", {"n-9"}});
  const bool ready = co_await row.begin({3});
  CO_ASSERT_TRUE(ready);
  auto link = co_await row.dial(row.at(2), link_identity(row.at(1).identity), tunnel::Purpose::kNode);
  CO_ASSERT_OK(link);
  const std::vector<Told> cases = {
      {"what is right", "n-1", "a-1", "d-1", "n-9", ""},
      {"two before it", "n-7,n-1", "a-1", "d-1", "n-9", ""},
      {"this gateway has been passed", "n-2,n-1", "a-1", "d-1", "n-9", "routing_loop"},
      {"a list at its limit", "n-5,n-6,n-7,n-1", "a-1", "d-1", "n-9", "too_many_hops"},
      {"a list that would be at its limit", "n-5,n-6,n-1", "a-1", "d-1", "n-9", "too_many_hops"},
      {"a list beyond its limit", "n-4,n-5,n-6,n-7,n-1", "a-1", "d-1", "n-9", "bad_hops"},
      {"no list", "", "a-1", "d-1", "n-9", "bad_hops"},
      {"somebody else's list", "n-1,n-7", "a-1", "d-1", "n-9", "bad_hops"},
      {"no list of nodes", "a-1,n-1", "a-1", "d-1", "n-9", "bad_hops"},
      {"nobody's", "n-1", "", "d-1", "n-9", "bad_hops"},
      {"of no device", "n-1", "a-1", "x", "n-9", "bad_hops"},
      {"an account that may reach nothing there", "n-1", "a-2", "d-1", "n-9", "no_grant"},
      {"a node that this account may not reach", "n-1", "a-1", "d-1", "n-3", "no_grant"},
      {"what is no node", "n-1", "a-1", "d-1", "rs-1", "unknown_node"},
      {"a denied account", "n-1", "a-8", "d-1", "n-9", "revoked"},
      {"a denied device", "n-1", "a-1", "d-8", "n-9", "revoked"},
  };
  for (const Told& one : cases) {
    net::http::Headers headers;
    headers.emplace(tunnel::kHopsHeader, one.hops);
    headers.emplace(tunnel::kAccountHeader, one.account);
    headers.emplace(tunnel::kDeviceHeader, one.device);
    const auto answer = co_await Row::ask(**link, headers, one.node);
    EXPECT_EQ(answer ? "" : answer.error().reason, one.reason) << one.what;
    if (!answer) EXPECT_EQ(answer.error().hop, Hop::kGateway) << one.what;
  }
  link->reset();
  co_await row.end();
}

CO_TEST(Routing, OnlyGatewaysThatTheViewKnowsMayForward) {
  Row row(co_await net::this_executor(), 2);
  const bool ready = co_await row.begin({2});
  CO_ASSERT_TRUE(ready);
  const auto ends = [&](Identity who) -> net::Task<bool> {
    auto link = co_await row.dial(row.at(2), link_identity(who), tunnel::Purpose::kNode);
    if (!link) co_return true;
    const bool ended = co_await comes_true([&] { return (*link)->mux->ended(); });
    co_return ended;
  };
  const bool stranger = co_await ends(row.authorities.node("n-8", "gateway"));
  EXPECT_TRUE(stranger);
  const bool a_relay = co_await ends(row.relay);
  EXPECT_TRUE(a_relay);
  auto link = co_await row.dial(row.at(2), link_identity(row.at(1).identity), tunnel::Purpose::kNode);
  CO_ASSERT_OK(link);
  const bool served = co_await comes_true([&] { return row.at(2).gateway.node_links() == 1; });
  CO_ASSERT_TRUE(served);
  const bool other_key = co_await ends(row.authorities.node("n-1", "gateway"));
  EXPECT_TRUE(other_key);
  EXPECT_FALSE((*link)->mux->ended());
  row.views[1].denied_serials = {row.at(1).identity.certificate.serial()};
  row.at(2).tell(row.views[1]);
  const bool revoked =
      co_await comes_true([&] { return (*link)->mux->ended() && row.at(2).gateway.node_links() == 0; });
  EXPECT_TRUE(revoked);
  link->reset();
  co_await row.end();
}

CO_TEST(Routing, IfOneNextHopFailsTheNextIsTried) {
  Row row(co_await net::this_executor(), 4);
  row.lead(1, {2, 3, 4});
  const bool ready = co_await row.begin({4});
  CO_ASSERT_TRUE(ready);
  // Neither of the first two has a link with the relay.
  auto path = co_await row.open();
  CO_ASSERT_OK(path);
  EXPECT_EQ(hops_of(**path), "n-4");
  // And now they are gone.
  co_await row.at(2).stop();
  co_await row.at(3).stop();
  const bool lost = co_await comes_true([&] { return row.at(1).peers.linked() == 1; });
  CO_ASSERT_TRUE(lost);
  path = co_await row.open(kSpliced);
  CO_ASSERT_OK(path);
  EXPECT_EQ(hops_of(**path), "n-4");
  co_await row.uplinks.stop();
  const bool unlinked = co_await comes_true([&] { return row.at(4).gateway.reverse_links() == 0; });
  CO_ASSERT_TRUE(unlinked);
  const auto refused = co_await row.open();
  CO_ASSERT_ERROR(refused, Code::kUnavailable);
  EXPECT_TRUE(refused.error().message.starts_with("gateway name-n-4: ")) << refused.error().message;
  co_await row.at(4).stop();
  const bool alone = co_await comes_true([&] { return row.at(1).peers.linked() == 0; });
  CO_ASSERT_TRUE(alone);
  const auto nobody = co_await row.open();
  CO_ASSERT_ERROR(nobody, Code::kUnavailable);
  EXPECT_EQ(nobody.error().reason, "relay_away");
  EXPECT_TRUE(nobody.error().message.contains("name-n-2 name-n-3 name-n-4")) << nobody.error().message;
  co_await row.end();
}

CO_TEST(Routing, ARelayHearsThatAGatewayLeaves) {
  Row row(co_await net::this_executor(), 2);
  const bool ready = co_await row.begin({1, 2});
  CO_ASSERT_TRUE(ready);
  auto path = co_await row.open();
  CO_ASSERT_OK(path);
  const auto link = [&](std::size_t number) { return row.uplinks.health().at(number - 1); };
  const bool linked = co_await comes_true([&] { return link(1).state == "up" && link(2).state == "up"; });
  CO_ASSERT_TRUE(linked);
  EXPECT_TRUE(row.uplinks.settled());
  row.at(1).gateway.leave();
  const bool heard = co_await comes_true([&] { return link(1).state == "down"; });
  CO_ASSERT_TRUE(heard);
  EXPECT_EQ(link(1).reason, "the gateway is stopping");
  EXPECT_EQ(link(2).state, "up");
  EXPECT_EQ(row.uplinks.linked(), 2U) << "what runs on it needs it";
  EXPECT_EQ(row.at(1).gateway.reverse_links(), 1U);
  path->reset();
  row.arrived.clear();
  const bool gone = co_await comes_true([&] { return row.at(1).gateway.reverse_links() == 0; });
  EXPECT_TRUE(gone) << "nothing runs on it any more";
  co_await row.end();
}

// A gateway that takes links and says nothing: it must not cost everybody a wait each time.
CO_TEST(Routing, ASilentGatewayIsGivenUpSoonAndTriedLastThen) {
  const auto executor = co_await net::this_executor();
  Row row(executor, 3, {.while_others = 200ms});
  row.lead(1, {2, 3});
  std::vector<std::unique_ptr<tunnel::Incoming>> unanswered;
  std::unique_ptr<tunnel::Link> link;
  const auto identity = row.at(2).identity;
  const auto tls = *tunnel::make_link_server(link_identity(identity), {tunnel::Purpose::kNode}, nullptr);
  const auto accept = [&](std::unique_ptr<net::TcpStream> stream) -> net::Task<> {
    auto accepted = co_await tunnel::accept_link(std::move(stream), tls, {});
    if (accepted)
      link = tunnel::start_mux(
          std::move(*accepted), {}, [&](std::unique_ptr<tunnel::Incoming> in) { unanswered.push_back(std::move(in)); },
          [](const Error&) {});
  };
  row.at(2).listener.reset();
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0}, [&](std::unique_ptr<net::TcpStream> stream) {
    row.tasks.spawn("accept", accept(std::move(stream)));
  });
  CO_ASSERT_OK(listener);
  row.views[0].dial->at(0).address = net::to_text((*listener)->local());
  const bool ready = co_await row.begin({3});
  CO_ASSERT_TRUE(ready);
  const auto began = std::chrono::steady_clock::now();
  auto path = co_await row.open();
  CO_ASSERT_OK(path);
  EXPECT_EQ(hops_of(**path), "n-3");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
  EXPECT_EQ(unanswered.size(), 1U);
  path = co_await row.open();
  CO_ASSERT_OK(path);
  EXPECT_EQ(unanswered.size(), 1U) << "it is asked last";
  row.at(1).clock.moved = 16s;
  path = co_await row.open();
  CO_ASSERT_OK(path);
  EXPECT_EQ(unanswered.size(), 2U) << "and first again later";
  unanswered.clear();
  co_await row.end();
  link.reset();
}

// The first gateway has not heard that the person was suspended.
CO_TEST(Routing, AForwardedPathEndsWhereItsOwnerIsDenied) {
  Row row(co_await net::this_executor(), 2);
  row.lead(1, {2});
  const bool ready = co_await row.begin({2});
  CO_ASSERT_TRUE(ready);
  auto nested = co_await row.open();
  auto answer = co_await row.open(kSpliced);
  CO_ASSERT_OK(nested);
  CO_ASSERT_OK(answer);
  auto spliced = co_await row.plain(**answer);
  CO_ASSERT_OK(spliced);
  const bool both = co_await comes_true([&] { return row.at(2).gateway.spliced() == 1 && row.arrived.size() == 2; });
  CO_ASSERT_TRUE(both);
  row.views[1].denied_accounts = {kAnn.account};
  row.at(2).tell(row.views[1]);
  const bool heard = co_await comes_true([&] { return !row.at(2).watch.view()->denied_accounts.empty(); });
  CO_ASSERT_TRUE(heard);
  EXPECT_EQ(row.at(2).gateway.streams(), 2U) << "sessions have the time to say why";
  row.at(2).clock.moved = kGoodbye;
  row.at(2).gateway.end_denied();
  const bool nested_over = co_await is_closed(**nested);
  const bool spliced_over = co_await is_closed(**spliced);
  EXPECT_TRUE(nested_over && spliced_over);
  EXPECT_EQ(row.at(1).gateway.user_links(), 1U);
  co_await row.end();
}

// Its clients do not hear that a gateway further on leaves: their paths end soon, and go on by another one.
CO_TEST(Routing, PathsGoOnByAnotherGatewayWhenOneOnTheWayLeaves) {
  Row row(co_await net::this_executor(), 3);
  row.lead(1, {2, 3});
  const bool ready = co_await row.begin({2, 3});
  CO_ASSERT_TRUE(ready);
  auto path = co_await row.open();
  CO_ASSERT_OK(path);
  EXPECT_EQ(hops_of(**path), "n-2");
  row.at(2).gateway.leave();
  const bool closed = co_await is_closed(**path);
  EXPECT_TRUE(closed);
  auto again = co_await row.open();
  CO_ASSERT_OK(again);
  EXPECT_EQ(hops_of(**again), "n-3");
  const bool idle = co_await comes_true([&] { return row.at(2).gateway.streams() == 0; });
  EXPECT_TRUE(idle) << "it need not wait for its drain limit";
  co_await row.end();
}

}  // namespace
}  // namespace portolan::node::testing
