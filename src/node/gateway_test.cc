// The gateway between a person's link and a relay's, both real (TLS over pairs in memory): how it leaves.
#include "node/gateway.h"

#include <csignal>
#include <list>

#include <gtest/gtest.h>

#include "base/json.h"
#include "net/co_test.h"
#include "net/join.h"
#include "net/memory_stream.h"
#include "node/egress_testing.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

const crypto::NodeIdentity kGateway{"org", "n-2"};

// kAnn may reach the relay kNode.
struct Way {
  explicit Way(const net::Executor& on)
      : executor(on),
        control([](const std::string&, const std::string&) { return Result<std::string>("{}"); }),
        watch(on, control, clock, {}, {[] {}, [] {}, [](const auto&, const auto&, const auto&) {}}),
        memory(kLinkShares),
        gateway(on, watch, clock, 100, memory),
        tasks(on),
        lines(on) {
    std::signal(SIGPIPE, SIG_IGN);
    api::NodeView view;
    view.accounts = {{kAnn.account, {kNode.node}}};
    control.lines = {json::encode(api::NodeEvent{"view", "e", 1, view, std::nullopt, std::nullopt})};
  }

  tunnel::LinkIdentity identity(const crypto::Authority& from, crypto::Profile profile, std::string uri) const {
    const auto key = crypto::PrivateKey::generate();
    const std::chrono::hours life(profile == crypto::Profile::kUser ? 1 : 23);
    return {{{*from.issue({profile, key.public_key(), "x", {std::move(uri)}, {}, {}, life}, Clock::real().wall())},
             std::make_shared<const crypto::PrivateKey>(key)},
            {nodes.certificate()},
            {users.certificate()}};
  }
  // A line that can fall silent without either end hearing of it.
  static net::Task<> carry(std::unique_ptr<net::Stream> one, std::unique_ptr<net::Stream> other, net::StopSignal& cut) {
    [[maybe_unused]] const auto joined = co_await net::join(*one, *other, {.stop = &cut});
    while (cut.stopped())
      if (const auto slept = co_await net::sleep_for(10ms); !slept) co_return;
  }
  net::Task<Result<>> link(tunnel::Purpose purpose, std::unique_ptr<tunnel::Link>& link) {
    const bool is_user = purpose == tunnel::Purpose::kUser;
    const auto own = is_user ? identity(users, crypto::Profile::kUser, crypto::to_uri(kAnn))
                             : identity(nodes, crypto::Profile::kNode, crypto::to_uri(kNode));
    CO_TRY(auto server, tunnel::make_link_server(identity(nodes, crypto::Profile::kNode, crypto::to_uri(kGateway)),
                                                 {purpose}, nullptr));
    CO_TRY(auto client, tunnel::make_link_client(own, purpose, crypto::to_uri(kGateway)));
    auto [near, middle] = net::memory_pair(executor);
    auto [other, far] = net::memory_pair(executor);
    lines.spawn("line", carry(std::move(middle), std::move(other), cuts.emplace_back()));
    tasks.spawn("accept", accept(std::move(far), std::move(server)));
    CO_TRY(link,
           co_await tunnel::dial_link(
               std::move(near), std::move(client), purpose, {},
               [this](std::unique_ptr<tunnel::Incoming> incoming) { take(std::move(incoming)); }, [](const Error&) {}));
    co_await tasks.join();
    co_return Result<>{};
  }
  net::Task<> accept(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsServer> server) {
    auto accepted = co_await tunnel::accept_link(std::move(path), std::move(server), {});
    if (!accepted) co_return;
    if (accepted->link.purpose == tunnel::Purpose::kUser)
      gateway.serve_user(std::move(*accepted));
    else
      gateway.serve_reverse(std::move(*accepted));
  }
  // The relay's side.
  void take(std::unique_ptr<tunnel::Incoming> incoming) {
    asked = incoming->request();
    streams.push_back(incoming->accept());
  }
  net::Task<Result<>> begin() {
    while (!watch.view()) co_await net::yield_to_loop();
    CO_CHECK(co_await link(tunnel::Purpose::kReverse, relay));
    co_return co_await link(tunnel::Purpose::kUser, user);
  }
  net::Task<Result<std::unique_ptr<tunnel::MuxStream>>> open(net::http::Headers headers = {}) {
    CO_TRY(auto stream, user->mux->open({kNode.node, std::move(headers)}));
    CO_CHECK(co_await stream->answered(5s));
    co_return std::move(stream);
  }
  // Until it is so, or five seconds have passed.
  template <class Condition>
  static net::Task<bool> comes_true(Condition condition) {
    for (int i = 0; i < 500 && !condition(); ++i)
      if (const auto slept = co_await net::sleep_for(10ms); !slept) break;
    co_return condition();
  }
  net::Task<> end() {
    watch.tasks().cancel();
    co_await watch.tasks().join();
    co_await gateway.stop(Error{Code::kUnavailable, "test over"});
    tasks.cancel();
    co_await tasks.join();
    lines.cancel();
    co_await lines.join();
  }

  net::Executor executor;
  MovedClock clock;
  crypto::Authority nodes =
      crypto::Authority::create("nodes", crypto::Profile::kNode, Clock::real().wall(), std::chrono::hours(24));
  crypto::Authority users =
      crypto::Authority::create("users", crypto::Profile::kUser, Clock::real().wall(), std::chrono::hours(24));
  testing::FakeControl control;
  ControlWatch watch;
  Shares memory;
  Gateway gateway;
  std::unique_ptr<tunnel::Link> relay, user;
  tunnel::OpenRequest asked;
  std::vector<std::unique_ptr<tunnel::MuxStream>> streams;
  std::list<net::StopSignal> cuts;  // of the lines, in the order in which they were made
  net::TaskGroup tasks;
  net::TaskGroup lines;
};

net::Task<Result<std::string>> pass(net::Stream& from, net::Stream& to, std::string_view text) {
  CO_CHECK(co_await net::write(from, as_bytes(text)));
  CO_TRY(const auto heard, co_await net::with_timeout(net::read(to), 5s));
  co_return std::string(as_text(heard.data()));
}

CO_TEST(Gateway, WaitsForARelayThatComesBackIfItMay) {
  Way way(co_await net::this_executor());
  CO_ASSERT_OK(co_await way.begin());
  way.relay.reset();
  const bool lost = co_await Way::comes_true([&] { return way.gateway.reverse_links() == 0; });
  CO_ASSERT_TRUE(lost);
  const auto at_once = co_await way.open();
  CO_ASSERT_ERROR(at_once, Code::kUnavailable);
  EXPECT_EQ(at_once.error().reason, tunnel::kRelayAway);
  const auto began = std::chrono::steady_clock::now();
  const auto in_vain = co_await way.open({{std::string(tunnel::kWaitHeader), "60"}});
  CO_ASSERT_ERROR(in_vain, Code::kUnavailable);
  EXPECT_EQ(in_vain.error().reason, tunnel::kRelayAway);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 60ms);

  auto asked = way.user->mux->open({kNode.node, {{std::string(tunnel::kWaitHeader), "2000"}}});
  CO_ASSERT_OK(asked);
  CO_ASSERT_OK(co_await way.link(tunnel::Purpose::kReverse, way.relay));
  const auto answered = co_await (*asked)->answered(5s);
  CO_ASSERT_OK(answered);
  CO_ASSERT_EQ(way.streams.size(), 1U);
  const auto there = co_await pass(**asked, *way.streams.at(0), "here it is");
  CO_ASSERT_OK(there);
  EXPECT_EQ(*there, "here it is");
  asked->reset();
  way.streams.clear();
  co_await way.end();
}

// As when the router before the relay forgets its connections.
CO_TEST(Gateway, ARelayWhoseLinkIsDeadIsNotWaitedForAgainAndAgain) {
  Way way(co_await net::this_executor());
  CO_ASSERT_OK(co_await way.begin());
  way.cuts.front().stop(Error{Code::kUnavailable, "cut"});
  const auto began = std::chrono::steady_clock::now();
  const auto silent = co_await way.open({{std::string(tunnel::kPathHeader), std::string(tunnel::kPathSpliced)}});
  CO_ASSERT_ERROR(silent, Code::kTimeout);
  EXPECT_EQ(silent.error().reason, "relay_silent");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2500ms) << "less than the limit of a dial-back";
  const bool given_up = co_await Way::comes_true([&] { return way.gateway.reverse_links() == 0; });
  CO_ASSERT_TRUE(given_up);
  const auto away = co_await way.open();
  CO_ASSERT_ERROR(away, Code::kUnavailable);
  EXPECT_EQ(away.error().reason, tunnel::kRelayAway);
  EXPECT_FALSE(way.user->mux->ended());

  CO_ASSERT_OK(co_await way.link(tunnel::Purpose::kReverse, way.relay));
  const auto again = co_await way.open();
  CO_ASSERT_OK(again);
  co_await way.end();
}

CO_TEST(Gateway, ANestedPathGoesOnWhileItLeaves) {
  Way way(co_await net::this_executor());
  CO_ASSERT_OK(co_await way.begin());
  auto path = co_await way.open();
  CO_ASSERT_OK(path);
  CO_ASSERT_EQ(way.streams.size(), 1U);
  way.gateway.leave();
  const bool heard = co_await Way::comes_true([&] { return way.user->mux->draining(); });
  EXPECT_TRUE(heard) << "the client is told";
  const bool told = co_await Way::comes_true([&] { return way.relay->mux->draining(); });
  EXPECT_TRUE(told) << "the relay is told, too";
  EXPECT_FALSE(way.relay->mux->ended()) << "paths that run need it";
  const auto refused = co_await way.open();
  CO_ASSERT_ERROR(refused, Code::kUnavailable);
  const auto there = co_await pass(**path, *way.streams.at(0), "still here");
  CO_ASSERT_OK(there);
  EXPECT_EQ(*there, "still here");
  EXPECT_EQ(way.gateway.streams(), 1U);
  path->reset();
  way.streams.clear();
  const bool moved = co_await Way::comes_true([&] { return way.gateway.streams() == 0; });
  EXPECT_TRUE(moved);
  const bool gone = co_await Way::comes_true([&] { return way.user->mux->ended() && way.gateway.user_links() == 0; });
  EXPECT_TRUE(gone) << "a link on which nothing runs any more ends";
  co_await way.end();
}

CO_TEST(Gateway, WhoComesWhileItLeavesIsToldSo) {
  Way way(co_await net::this_executor());
  CO_ASSERT_OK(co_await way.begin());
  way.gateway.leave();
  CO_ASSERT_OK(co_await way.link(tunnel::Purpose::kUser, way.user));
  const bool gone = co_await Way::comes_true([&] { return way.user->mux->ended(); });
  EXPECT_TRUE(gone);
  EXPECT_TRUE(way.user->mux->draining());
  co_await way.end();
}

// The client's link ends at once, since nothing runs on it; its spliced path does not, but for what would have ended it
// at any time.
CO_TEST(Gateway, ASplicedPathGoesOnWhileItLeavesUnlessItsOwnerIsDenied) {
  Way way(co_await net::this_executor());
  CO_ASSERT_OK(co_await way.begin());
  std::optional<tunnel::Ticket> ticket;
  auto listener = net::listen_tcp(way.executor, {"127.0.0.1", 0}, [&](std::unique_ptr<net::TcpStream> stream) {
    if (ticket) way.gateway.serve_plain(std::move(stream), *std::exchange(ticket, std::nullopt));
  });
  CO_ASSERT_OK(listener);
  const auto plain = [&](std::string text) -> net::Task<Result<std::unique_ptr<net::TcpStream>>> {
    CO_TRY(ticket, tunnel::parse_ticket(text));
    auto dialled = co_await net::dial_tcp((*listener)->local(), 5s);
    while (ticket) co_await net::yield_to_loop();
    co_return dialled;
  };
  auto path = co_await way.open({{std::string(tunnel::kPathHeader), std::string(tunnel::kPathSpliced)}});
  CO_ASSERT_OK(path);
  auto theirs = co_await plain(way.asked.headers.find(tunnel::kDialBackHeader)->second);
  auto mine = co_await plain((*path)->answer().find(tunnel::kTicketHeader)->second);
  CO_ASSERT_OK(theirs);
  CO_ASSERT_OK(mine);
  path->reset();
  way.streams.clear();
  const bool joined = co_await Way::comes_true([&] { return way.gateway.spliced() == 1; });
  CO_ASSERT_TRUE(joined);

  way.gateway.leave();
  const bool gone = co_await Way::comes_true([&] {
    return way.user->mux->ended() && way.gateway.user_links() == 0 && way.relay->mux->ended() &&
           way.gateway.reverse_links() == 0;
  });
  EXPECT_TRUE(gone) << "neither link has anything that runs on it";
  way.gateway.end_denied();
  const auto there = co_await pass(**mine, **theirs, "still here");
  CO_ASSERT_OK(there);
  EXPECT_EQ(*there, "still here");
  EXPECT_EQ(way.gateway.streams(), 1U);

  way.clock.moved = 20h;  // the person's certificate has ended
  way.gateway.end_denied();
  way.clock.moved += kGoodbye;
  way.gateway.end_denied();
  const bool ended = co_await Way::comes_true([&] { return way.gateway.spliced() == 0; });
  EXPECT_TRUE(ended);
  co_await way.end();
}

}  // namespace
}  // namespace portolan::node
