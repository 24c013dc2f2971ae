// Several pipes to one egress node, over real links.
#include "client/channels.h"

#include "client/paths_testing.h"

namespace portolan::client {
namespace {

// Stands still until it is moved, but for the wall, which certificates know.
class StandingClock final : public Clock {
 public:
  WallTime wall() const override { return Clock::real().wall(); }
  BootTime boot() const override { return now; }
  BootTime now = Clock::real().boot();
};

struct ChannelWorld {
  explicit ChannelWorld(const net::Executor& on) : world(on, "n-9", clock) {}
  // Moves as much by the stream as counts as bulk, there and back.
  net::Task<bool> bulk(net::Stream& stream) {
    const std::string piece(64 * 1024, 'x');
    for (std::size_t sent = 0; sent < Channels::kBulk; sent += piece.size()) {
      const auto written = co_await net::write(stream, as_bytes(piece));
      if (!written) co_return false;
      for (std::size_t back = 0; back < piece.size();) {
        const auto heard = co_await net::with_timeout(net::read(stream), 5s);
        if (!heard || heard->empty()) co_return false;
        back += heard->size();
      }
    }
    co_return true;
  }
  // The refusal of the endings may still be under way.
  net::Task<bool> has_streams(std::size_t link, std::size_t count) {
    return comes_true([this, link, count] { return world.egress.streams(link) == count; });
  }
  std::uint64_t pipes() const { return world.path().pipes.value_or(1); }
  // A first stream on which bulk has been moved, and a second channel, made for the second one, which is on the first.
  net::Task<bool> begin_with_two() {
    const bool ready = co_await world.begin();
    if (!ready) co_return false;
    auto opened = co_await world.open();
    if (!opened) co_return false;
    first = std::move(*opened);
    const bool moved = co_await bulk(*first.stream);
    opened = co_await world.open();
    if (!moved || !opened) co_return false;
    second = std::move(*opened);
    const bool two = co_await comes_true([&] { return pipes() == 2; });
    co_return two;
  }
  net::Task<> end() {
    first.stream.reset();
    second.stream.reset();
    third.stream.reset();
    co_await world.end();
  }

  StandingClock clock;
  World world;
  OpenedStream first, second, third;
};

CO_TEST(Channels, ASecondOneComesOnlyWithBulk) {
  ChannelWorld it(co_await net::this_executor());
  const bool ready = co_await it.world.begin();
  CO_ASSERT_TRUE(ready);
  std::vector<OpenedStream> opened;
  for (int i = 0; i < 20; ++i) {
    auto one = co_await it.world.open();
    CO_ASSERT_OK(one);
    const auto heard = co_await answered(*one->stream, "little");
    EXPECT_LT(heard, 5s);
    opened.push_back(std::move(*one));
  }
  EXPECT_EQ(it.world.path().handshakes, 1U);
  EXPECT_EQ(it.world.egress.links.size(), 1U);
  const bool moved = co_await it.bulk(*opened.front().stream);
  CO_ASSERT_TRUE(moved);
  // What has been moved long ago is no reason.
  it.clock.now += 3s;
  auto later = co_await it.world.open();
  CO_ASSERT_OK(later);
  CO_ASSERT_OK(co_await net::sleep_for(100ms));
  EXPECT_EQ(it.world.path().handshakes, 1U);
  const bool again = co_await it.bulk(*opened.front().stream);
  CO_ASSERT_TRUE(again);
  auto during = co_await it.world.open();
  CO_ASSERT_OK(during);
  const bool two = co_await comes_true([&] { return it.pipes() == 2; });
  EXPECT_TRUE(two);
  EXPECT_EQ(it.world.path().handshakes, 2U);
  opened.clear();
  later->stream.reset();
  during->stream.reset();
  co_await it.end();
}

CO_TEST(Channels, AStreamOpenedDuringBulkGoesByTheOther) {
  ChannelWorld it(co_await net::this_executor());
  const bool two = co_await it.begin_with_two();
  CO_ASSERT_TRUE(two);
  CO_ASSERT_TRUE(it.world.egress.links.size() == 2);
  const bool counted_1 = co_await it.has_streams(0, 2);
  EXPECT_TRUE(counted_1);
  auto third = co_await it.world.open();
  CO_ASSERT_OK(third);
  it.third = std::move(*third);
  const bool counted_2 = co_await it.has_streams(0, 2);
  EXPECT_TRUE(counted_2);
  const bool counted_3 = co_await it.has_streams(1, 1);
  EXPECT_TRUE(counted_3);
  const auto heard = co_await answered(*it.third.stream, "by the other");
  EXPECT_LT(heard, 5s);
  // Where nothing is moved any more the first one serves again, so that the other comes to rest.
  it.clock.now += 3s;
  auto fourth = co_await it.world.open();
  CO_ASSERT_OK(fourth);
  const bool counted_4 = co_await it.has_streams(0, 3);
  EXPECT_TRUE(counted_4);
  fourth->stream.reset();
  co_await it.end();
}

CO_TEST(Channels, OneOnWhichNothingRunsGoes) {
  ChannelWorld it(co_await net::this_executor());
  const bool two = co_await it.begin_with_two();
  CO_ASSERT_TRUE(two);
  auto third = co_await it.world.open();
  CO_ASSERT_OK(third);
  it.third = std::move(*third);
  it.clock.now += 2 * Channels::kIdle;
  CO_ASSERT_OK(co_await net::sleep_for(1500ms));
  EXPECT_EQ(it.pipes(), 2U) << "a stream is there";
  it.third.stream.reset();
  it.clock.now += Channels::kIdle - 1s;
  CO_ASSERT_OK(co_await net::sleep_for(1500ms));
  EXPECT_EQ(it.pipes(), 2U) << "not yet";
  it.clock.now += 2s;
  const bool one = co_await comes_true([&] { return it.pipes() == 1; });
  CO_ASSERT_TRUE(one);
  const bool told = co_await comes_true([&] { return it.world.egress.links.at(1)->mux->ended(); });
  EXPECT_TRUE(told) << "the egress node is told";
  const auto heard = co_await answered(*it.first.stream, "the first one stays");
  EXPECT_LT(heard, 5s);
  EXPECT_EQ(it.world.path().handshakes, 2U);
  co_await it.end();
}

CO_TEST(Channels, OneThatReconnectsLeavesTheOtherAlone) {
  ChannelWorld it(co_await net::this_executor());
  const bool two = co_await it.begin_with_two();
  CO_ASSERT_TRUE(two);
  auto third = co_await it.world.open();
  CO_ASSERT_OK(third);
  it.third = std::move(*third);
  FakeGateway& gateway = it.world.used();
  CO_ASSERT_TRUE(gateway.stops.size() == 2);
  gateway.stops[1]->stop(Error{Code::kUnavailable, "cut"});
  const auto after = co_await answered(*it.third.stream, "goes on");
  EXPECT_LT(after, 2s);
  const auto beside = co_await answered(*it.first.stream, "unharmed");
  EXPECT_LT(beside, 2s);
  EXPECT_EQ(it.world.egress.links.at(0)->pipe->epoch(), 1U);
  EXPECT_GT(it.world.egress.links.at(1)->pipe->epoch(), 1U);
  EXPECT_EQ(it.world.path().handshakes, 2U);
  co_await it.end();
}

CO_TEST(Channels, WhatIsNewGoesByOneThatStands) {
  ChannelWorld it(co_await net::this_executor());
  const bool two = co_await it.begin_with_two();
  CO_ASSERT_TRUE(two);
  it.clock.now += 3s;
  // The first one cannot come back.
  it.world.egress.links.at(0)->mux->close(Error{Code::kUnavailable, "gone"});
  const bool ended = co_await comes_true([&] { return it.pipes() == 1; });
  CO_ASSERT_TRUE(ended);
  auto opened = co_await it.world.open();
  CO_ASSERT_OK(opened);
  const bool counted_5 = co_await it.has_streams(1, 1);
  EXPECT_TRUE(counted_5);
  EXPECT_EQ(it.world.path().handshakes, 2U);
  opened->stream.reset();
  co_await it.end();
}

CO_TEST(Channels, ThereAreFourAtMost) {
  ChannelWorld it(co_await net::this_executor());
  const bool ready = co_await it.world.begin();
  CO_ASSERT_TRUE(ready);
  std::vector<OpenedStream> opened;
  for (std::size_t i = 1; i <= Channels::kMost + 2; ++i) {
    // The one that a stream is opened on has moved least: then all have moved bulk.
    auto one = co_await it.world.open();
    CO_ASSERT_OK(one);
    const bool moved = co_await it.bulk(*one->stream);
    CO_ASSERT_TRUE(moved);
    opened.push_back(std::move(*one));
    auto next = co_await it.world.open();
    CO_ASSERT_OK(next);
    opened.push_back(std::move(*next));
    const std::uint64_t expected = std::min(i + 1, Channels::kMost);
    const bool made = co_await comes_true([&] { return it.pipes() == expected; });
    CO_ASSERT_TRUE(made);
  }
  CO_ASSERT_OK(co_await net::sleep_for(100ms));
  EXPECT_EQ(it.world.path().handshakes, Channels::kMost);
  opened.clear();
  co_await it.end();
}

CO_TEST(Channels, OneThatIsRefusedIsNotTriedAgainForAWhile) {
  ChannelWorld it(co_await net::this_executor());
  it.world.egress.most = 1;
  const bool ready = co_await it.world.begin();
  CO_ASSERT_TRUE(ready);
  auto first = co_await it.world.open();
  CO_ASSERT_OK(first);
  std::vector<OpenedStream> others;
  std::size_t refused = 0;
  for (const std::chrono::milliseconds later : {0ms, 500ms, Channels::kRefusedFor}) {
    it.clock.now += later;
    const bool moved = co_await it.bulk(*first->stream);
    CO_ASSERT_TRUE(moved);
    auto other = co_await it.world.open();
    CO_ASSERT_OK(other);
    others.push_back(std::move(*other));
    if (later != 500ms) {
      const bool tried = co_await comes_true([&] { return it.world.egress.refused > refused; });
      CO_ASSERT_TRUE(tried);
    }
    CO_ASSERT_OK(co_await net::sleep_for(200ms));
    if (later == 500ms) EXPECT_EQ(it.world.egress.refused, refused);
    refused = it.world.egress.refused;
  }
  EXPECT_EQ(it.pipes(), 1U);
  EXPECT_EQ(it.world.path().handshakes, 1U);
  EXPECT_EQ(it.world.path().state, "linked");
  const auto heard = co_await answered(*first->stream, "goes on");
  EXPECT_LT(heard, 5s);
  others.clear();
  first->stream.reset();
  co_await it.end();
}

}  // namespace
}  // namespace portolan::client
