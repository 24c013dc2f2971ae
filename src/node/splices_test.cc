#include "node/splices.h"

#include <csignal>

#include <gtest/gtest.h>

#include "net/co_test.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

const Splices::Ends kEnds{{"org", "a-1", "d-1"}, "n-1"};

// Connections to a port, as a gateway's acceptor has them.
struct Port {
  std::unique_ptr<net::Listener> listener;
  std::unique_ptr<net::TcpStream> accepted;

  explicit Port(const net::Executor& executor) {
    std::signal(SIGPIPE, SIG_IGN);
    auto made = net::listen_tcp(executor, {"127.0.0.1", 0},
                                [this](std::unique_ptr<net::TcpStream> stream) { accepted = std::move(stream); });
    if (made) listener = std::move(*made);
  }
};

// A connection that has shown its ticket: the peer's end of it.
net::Task<Result<std::unique_ptr<net::TcpStream>>> come(Splices& splices, Port& port, tunnel::Ticket ticket) {
  CO_TRY(auto stream, co_await net::dial_tcp(port.listener->local(), 5s));
  while (!port.accepted) co_await net::yield_to_loop();
  splices.take(std::move(port.accepted), ticket);
  co_return stream;
}

net::Task<bool> is_closed(net::Stream& stream) {
  const auto read = co_await net::with_timeout(net::read(stream), 5s);
  co_return !read ? read.error().code != Code::kTimeout : read->empty();
}

CO_TEST(Splices, JoinsTheTwoEndsOfAPath) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {});
  Port port(executor);
  const auto tickets = splices.issue(kEnds);
  CO_ASSERT_OK(tickets);
  auto relay = co_await come(splices, port, tickets->relay);
  CO_ASSERT_OK(relay);
  EXPECT_EQ(splices.open(), 0U);
  EXPECT_EQ(splices.of("a-1"), 1U);
  auto user = co_await come(splices, port, tickets->user);
  CO_ASSERT_OK(user);
  EXPECT_EQ(splices.open(), 1U);
  CO_ASSERT_OK(co_await net::write(**user, as_bytes("hello")));
  const auto got = co_await net::read(**relay);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "hello");
  user->reset();
  const bool closed = co_await is_closed(**relay);
  EXPECT_TRUE(closed);
  relay->reset();
  while (splices.open() > 0) co_await net::yield_to_loop();
  EXPECT_EQ(splices.bytes(), 5U);
  co_await splices.stop();
}

CO_TEST(Splices, ATicketServesOnceAndForItsOwnPathOnly) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {});
  Port port(executor);
  const auto tickets = splices.issue(kEnds);
  const auto others = splices.issue(kEnds);
  CO_ASSERT_OK(tickets);
  CO_ASSERT_OK(others);
  auto user = co_await come(splices, port, tickets->user);
  CO_ASSERT_OK(user);
  auto again = co_await come(splices, port, tickets->user);
  CO_ASSERT_OK(again);
  const bool refused = co_await is_closed(**again);
  EXPECT_TRUE(refused) << "a ticket used twice";
  auto stranger = co_await come(splices, port, tunnel::Ticket{});
  CO_ASSERT_OK(stranger);
  const bool unknown = co_await is_closed(**stranger);
  EXPECT_TRUE(unknown) << "a ticket that nobody gave out";
  auto other = co_await come(splices, port, others->relay);
  CO_ASSERT_OK(other);
  EXPECT_EQ(splices.open(), 0U) << "ends of two paths were joined";
  auto relay = co_await come(splices, port, tickets->relay);
  CO_ASSERT_OK(relay);
  EXPECT_EQ(splices.open(), 1U);
  co_await splices.stop();
}

CO_TEST(Splices, ATicketIsGoodForTenSeconds) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {});
  Port port(executor);
  const auto late = splices.issue(kEnds);
  CO_ASSERT_OK(late);
  auto user = co_await come(splices, port, late->user);
  CO_ASSERT_OK(user);
  clock.advance(9999ms);
  EXPECT_EQ(splices.of("a-1"), 1U);
  clock.advance(1ms);
  auto relay = co_await come(splices, port, late->relay);
  CO_ASSERT_OK(relay);
  const bool refused = co_await is_closed(**relay);
  EXPECT_TRUE(refused);
  const bool let_go = co_await is_closed(**user);
  EXPECT_TRUE(let_go) << "who came first waits for nobody";
  EXPECT_EQ(splices.of("a-1"), 0U);
  co_await splices.stop();
}

CO_TEST(Splices, WhatIsWithdrawnIsNotJoined) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {});
  Port port(executor);
  const auto tickets = splices.issue(kEnds);
  CO_ASSERT_OK(tickets);
  splices.withdraw(*tickets);
  auto relay = co_await come(splices, port, tickets->relay);
  CO_ASSERT_OK(relay);
  const bool refused = co_await is_closed(**relay);
  EXPECT_TRUE(refused);
  co_await splices.stop();
}

CO_TEST(Splices, OneAccountDoesNotUseUpThePaths) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {.life = 10s, .waiting = 3, .waiting_per_account = 2});
  CO_ASSERT_OK(splices.issue(kEnds));
  CO_ASSERT_OK(splices.issue(kEnds));
  const auto third = splices.issue(kEnds);
  CO_ASSERT_TRUE(!third);
  EXPECT_EQ(third.error().code, Code::kLimit);
  const Splices::Ends other{{"org", "a-2", "d-2"}, "n-1"};
  CO_ASSERT_OK(splices.issue(other));
  EXPECT_FALSE(splices.issue({{"org", "a-3", "d-3"}, "n-1"})) << "beyond what the gateway waits for in all";
  clock.advance(10s);
  EXPECT_TRUE(splices.issue(kEnds)) << "what has run out counts no more";
  co_await splices.stop();
}

CO_TEST(Splices, APathEndsWithItsPeersLinks) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {});
  Port port(executor);
  struct Case {
    const char* what;
    std::function<void()> end;
    bool ends;
  };
  const std::vector<Case> cases = {
      {"another device", [&] { splices.end_user({"org", "a-1", "d-2"}); }, false},
      {"another relay", [&] { splices.end_relay("n-2"); }, false},
      {"its device", [&] { splices.end_user(kEnds.user); }, true},
      {"its relay", [&] { splices.end_relay(kEnds.relay); }, true},
  };
  for (const Case& one : cases) {
    const auto tickets = splices.issue(kEnds);
    CO_ASSERT_OK(tickets);
    auto user = co_await come(splices, port, tickets->user);
    auto relay = co_await come(splices, port, tickets->relay);
    CO_ASSERT_OK(user);
    CO_ASSERT_OK(relay);
    one.end();
    if (one.ends) {
      const bool user_closed = co_await is_closed(**user);
      const bool relay_closed = co_await is_closed(**relay);
      EXPECT_TRUE(user_closed && relay_closed) << one.what;
    } else {
      CO_ASSERT_OK(co_await net::write(**user, as_bytes("x")));
      const auto got = co_await net::read(**relay);
      CO_ASSERT_OK(got);
      EXPECT_EQ(as_text(got->data()), "x") << one.what;
    }
  }
  co_await splices.stop();
}

CO_TEST(Splices, HasOnlySoManyPathsOpen) {
  const auto executor = co_await net::this_executor();
  FakeClock clock;
  Splices splices(executor, clock, {.all = 3, .per_account = 2});
  Port port(executor);
  const auto tickets = splices.issue(kEnds);
  CO_ASSERT_OK(tickets);
  auto relay = co_await come(splices, port, tickets->relay);
  auto user = co_await come(splices, port, tickets->user);
  CO_ASSERT_TRUE(relay && user);
  EXPECT_EQ(splices.open(), 1U);
  const auto second = splices.issue(kEnds);
  CO_ASSERT_OK(second);
  CO_ASSERT_ERROR(splices.issue(kEnds), Code::kLimit);
  const Splices::Ends others{{"org", "a-2", "d-1"}, "n-1"};
  CO_ASSERT_OK(splices.issue(others));
  CO_ASSERT_ERROR(splices.issue(others), Code::kLimit);
  // What has ended makes room.
  splices.withdraw(*second);
  CO_ASSERT_OK(splices.issue(kEnds));
  co_await splices.stop();
}

}  // namespace
}  // namespace portolan::node
