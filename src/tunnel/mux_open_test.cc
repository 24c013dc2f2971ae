// Streams of a mux: opened, answered, refused.
#include <gtest/gtest.h>

#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

CO_TEST(Mux, RefusalArrivesWithHopReasonAndText) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  MuxStream& near = **opened;
  const auto early = near.try_write(as_bytes("too early"));
  CO_ASSERT_OK(early);
  const auto request = co_await pair.acceptor.next();
  request->refuse(Error{Code::kDenied, "no grant for \"billing\" (100%)", "no_grant", Hop::kEgress});
  const auto answered = co_await near.answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kDenied);
  EXPECT_EQ(answered.error().message, "no grant for \"billing\" (100%)");
  EXPECT_EQ(answered.error().reason, "no_grant");
  EXPECT_EQ(answered.error().hop, Hop::kEgress);
  const auto read = co_await net::read(near);
  CO_ASSERT_ERROR(read, Code::kDenied);
  const auto write = near.try_write(as_bytes("x"));
  CO_ASSERT_ERROR(write, Code::kDenied);
  co_await pair.settle();
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U);
  EXPECT_EQ(pair.opener.mux->open_streams(), 0U);
  EXPECT_EQ(pair.acceptor.mux->buffered(), 0U);
}

CO_TEST(Mux, DroppedRequestIsRefused) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  auto request = co_await pair.acceptor.next();
  request.reset();
  const auto answered = co_await (*opened)->answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kInternal);
}

CO_TEST(Mux, OpenerMayWriteBeforeTheAnswer) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  const auto sent = (*opened)->try_write(as_bytes("hello"));
  CO_ASSERT_OK(sent);
  EXPECT_EQ(*sent, 5U);
  const auto waiting = (*opened)->try_read();
  CO_ASSERT_OK(waiting);
  EXPECT_EQ(waiting->kind, net::Chunk::Kind::kWait);
  const auto request = co_await pair.acceptor.next();
  const auto far = request->accept({{"portolan-session", "s-1"}});
  const auto read = co_await read_some(*far);
  CO_ASSERT_OK(read);
  EXPECT_EQ(*read, "hello");
  const auto answered = co_await (*opened)->answered(kSoon);
  CO_ASSERT_OK(answered);
  EXPECT_EQ((*opened)->answer().at("portolan-session"), "s-1");
}

CO_TEST(Mux, AnswerThatDoesNotComeTimesOut) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  const auto answered = co_await (*opened)->answered(20ms);
  CO_ASSERT_ERROR(answered, Code::kTimeout);
}

CO_TEST(Mux, KeepsToThePeersLimitOfStreams) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, {}, MuxOptions{.max_streams = 2});
  auto first = co_await pair.stream();
  auto second = co_await pair.stream();
  const auto third = pair.opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(third, Code::kLimit);
  first.first.reset();
  first.second.reset();
  const auto fourth = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(fourth);
  EXPECT_FALSE(pair.opener.end.has_value());
}

CO_TEST(Mux, ChecksWhatItIsAskedToOpen) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  const auto no_authority = pair.opener.mux->open({""});
  CO_ASSERT_ERROR(no_authority, Code::kInvalid);
  const auto foreign = pair.opener.mux->open({"n-test", {{"cookie", "x"}}});
  CO_ASSERT_ERROR(foreign, Code::kInvalid);
  const auto too_large = pair.opener.mux->open({"n-test", {{"portolan-x", std::string(20'000, 'x')}}});
  CO_ASSERT_ERROR(too_large, Code::kLimit);
  const auto wrong_side = pair.acceptor.mux->open({"n-test"});
  CO_ASSERT_ERROR(wrong_side, Code::kInvalid);
}

CO_TEST(Mux, StreamNumbersEnd) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, MuxOptions{.last_stream_id = 3});
  const auto first = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(first);
  const auto second = pair.opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(second, Code::kUnavailable);
}

}  // namespace
}  // namespace portolan::tunnel
