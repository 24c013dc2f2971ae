// How streams and the mux end, and what each side is told.
#include <gtest/gtest.h>

#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

CO_TEST(Mux, DestroyingAStreamResetsIt) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  const auto sent = near->try_write(as_bytes("last words"));
  CO_ASSERT_OK(sent);
  near.reset();
  const auto read = co_await read_some(*far);
  CO_ASSERT_OK(read);
  EXPECT_EQ(*read, "last words");
  const auto after = co_await net::read(*far);
  CO_ASSERT_ERROR(after, Code::kIo);
  co_await pair.settle();
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U);
}

CO_TEST(Mux, StreamThatHasEndedBothWaysIsNotReset) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  const auto finished = co_await net::finish(*near, kSoon);
  CO_ASSERT_OK(finished);
  const auto end = co_await net::read(*far);
  CO_ASSERT_TRUE(end && end->empty());
  const auto sent = far->try_write(as_bytes("answer"));
  CO_ASSERT_OK(sent);
  const auto shut = far->shutdown_send();
  CO_ASSERT_OK(shut);
  far.reset();  // at once: what was accepted still arrives
  const auto answer = co_await read_all(*near);
  CO_ASSERT_OK(answer);
  EXPECT_EQ(as_text(*answer), "answer");
}

CO_TEST(Mux, AbortTellsThePeer) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  far->abort();
  const auto near_read = co_await net::read(*near);
  CO_ASSERT_ERROR(near_read, Code::kIo);
  const auto far_read = co_await net::read(*far);
  CO_ASSERT_ERROR(far_read, Code::kCancelled);
}

CO_TEST(Mux, StreamsOutliveTheMux) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  auto unanswered = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(unanswered);
  auto request = co_await pair.acceptor.next();
  const auto sent = far->try_write(as_bytes("before"));
  CO_ASSERT_OK(sent);
  co_await pair.settle();
  pair.opener.mux.reset();
  pair.acceptor.mux.reset();
  const auto before = co_await read_some(*near);
  CO_ASSERT_OK(before);
  EXPECT_EQ(*before, "before");
  const auto read = co_await net::read(*near);
  CO_ASSERT_ERROR(read, Code::kCancelled);
  const auto write = near->try_write(as_bytes("x"));
  CO_ASSERT_ERROR(write, Code::kCancelled);
  const auto shut = far->shutdown_send();
  CO_ASSERT_ERROR(shut, Code::kCancelled);
  const auto late = request->accept();
  const auto late_read = co_await net::read(*late);
  CO_ASSERT_ERROR(late_read, Code::kCancelled);
  const auto answered = co_await (*unanswered)->answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kCancelled);
  co_await pair.settle();
  EXPECT_FALSE(pair.opener.end.has_value());  // who destroys it need not be told
}

CO_TEST(Mux, BreakingBelowFailsWhoWaits) {
  const net::Executor executor = co_await net::this_executor();
  auto [near_below, far_below] = net::memory_pair(executor);
  MuxEnd opener(executor);
  opener.start(std::move(near_below), Mux::Role::kOpener, {});
  auto opened = opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  far_below.reset();
  const auto answered = co_await (*opened)->answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kIo);
  const Error end = co_await opener.ended();
  EXPECT_EQ(end.code, Code::kIo);
  EXPECT_TRUE(opener.mux->ended());
  const auto again = opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(again, Code::kIo);
  const auto ping = co_await opener.mux->ping(kSoon);
  CO_ASSERT_ERROR(ping, Code::kIo);
}

CO_TEST(Mux, CloseTellsThePeerWhy) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  pair.acceptor.mux->close(Error{Code::kDenied, "the account was disabled", {}, Hop::kUnknown});
  EXPECT_TRUE(pair.acceptor.mux->ended());
  const Error here = co_await pair.acceptor.ended();
  EXPECT_EQ(here.code, Code::kDenied);
  const Error there = co_await pair.opener.ended();
  EXPECT_EQ(there.code, Code::kDenied);
  EXPECT_NE(there.message.find("the account was disabled"), std::string::npos) << there.message;
  const auto read = co_await net::read(*near);
  CO_ASSERT_ERROR(read, Code::kDenied);
}

CO_TEST(Mux, DrainLetsLivingStreamsGoOn) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  pair.acceptor.mux->drain();
  auto in_flight = pair.opener.mux->open({"n-test"});  // has not heard of it yet
  CO_ASSERT_OK(in_flight);
  const auto refused = co_await (*in_flight)->answered(kSoon);
  CO_ASSERT_ERROR(refused, Code::kUnavailable);
  const auto next = pair.opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(next, Code::kUnavailable);
  const auto sent = co_await net::write(*near, as_bytes("still here"));
  CO_ASSERT_OK(sent);
  const auto read = co_await read_some(*far);
  CO_ASSERT_OK(read);
  EXPECT_EQ(*read, "still here");
  EXPECT_FALSE(pair.acceptor.end.has_value());
  const auto up = co_await net::finish(*near, kSoon);
  const auto down = co_await net::finish(*far, kSoon);
  CO_ASSERT_OK(up);
  CO_ASSERT_OK(down);
  const Error here = co_await pair.acceptor.ended();
  EXPECT_EQ(here.code, Code::kUnavailable);
  co_await pair.opener.ended();
}

CO_TEST(Mux, WhoeverWantsToKnowIsToldThatThePeerDrains) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  int told = 0;
  pair.opener.mux->on_draining([&] { ++told; });
  co_await pair.settle();
  EXPECT_EQ(told, 0);
  EXPECT_FALSE(pair.opener.mux->draining());
  pair.acceptor.mux->drain();
  co_await pair.settle();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(pair.opener.mux->draining());
  EXPECT_FALSE(pair.acceptor.mux->draining()) << "it has said so itself";
  // Who asks later is told all the same.
  pair.opener.mux->on_draining([&] { told += 10; });
  co_await pair.settle();
  EXPECT_EQ(told, 11);
  near.reset();
  far.reset();
  const Error end = co_await pair.opener.ended();
  EXPECT_EQ(end.reason, kDrained);
}

CO_TEST(Mux, AnIdleLinkThatIsDrainedSaysWhyItEnds) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  bool told = false;
  pair.opener.mux->on_draining([&] { told = !pair.opener.end.has_value(); });
  pair.acceptor.mux->drain();
  const Error end = co_await pair.opener.ended();
  EXPECT_EQ(end.reason, kDrained) << end.message;
  EXPECT_TRUE(told) << "before the end";
}

CO_TEST(Mux, AGoodbyeWithACodeIsNoDraining) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  bool told = false;
  pair.opener.mux->on_draining([&] { told = true; });
  pair.acceptor.mux->close(Error{Code::kUnavailable, "stopping", "node_stopping", Hop::kUnknown});
  const Error end = co_await pair.opener.ended();
  EXPECT_EQ(end.reason, "node_stopping");
  co_await pair.settle();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace portolan::tunnel
