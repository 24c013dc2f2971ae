// How streams share a link: turns for those who want much, no waiting for those who want little, and nobody waits for a
// reader that has stopped.
#include <gtest/gtest.h>

#include "tunnel/mux_virtual.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

CO_TEST(Mux, StoppedReaderStopsItsWriterAndNoOther) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, {}, MuxOptions{.connection_window = 300'000});
  auto [stopped_near, stopped_far] = co_await pair.stream();
  auto [near, far] = co_await pair.stream();
  net::Event reached(executor);
  net::TaskGroup tasks(executor);
  std::size_t stopped_written = 0;
  std::size_t written = 0;
  std::size_t got = 0;
  tasks.spawn("stopped writer", write_forever(*stopped_near, stopped_written));
  tasks.spawn("writer", write_forever(*near, written));
  tasks.spawn("reader", read_forever(*far, got, 20'000'000, reached));
  const auto moved = co_await reached.wait(9s);
  CO_ASSERT_OK(moved);
  EXPECT_LE(stopped_written, 256U * 1024);
  EXPECT_GE(stopped_written, 200U * 1024);
  EXPECT_LE(pair.acceptor.mux->buffered(), 3U * 256 * 1024);
  EXPECT_LE(net::blocks_in_use(), 64U);
  // It goes on as soon as somebody reads.
  std::size_t late = 0;
  net::Event caught_up(executor);
  tasks.spawn("late reader", read_forever(*stopped_far, late, 1'000'000, caught_up));
  const auto resumed = co_await caught_up.wait(9s);
  CO_ASSERT_OK(resumed);
  tasks.cancel();
  co_await tasks.join();
}

CO_TEST(Mux, WritersShareTheLink) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  constexpr std::size_t kWriters = 8;
  std::vector<std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>> streams;
  std::array<std::size_t, kWriters> written{};
  std::array<std::size_t, kWriters> got{};
  std::deque<Pusher> pushers;
  net::Event reached(executor);
  net::TaskGroup tasks(executor);
  for (std::size_t i = 0; i < kWriters; ++i) streams.push_back(co_await pair.stream());
  for (std::size_t i = 0; i < kWriters; ++i) {
    if (i % 2 == 0)
      tasks.spawn("writer", write_forever(*streams[i].first, written[i]));
    else
      pushers.emplace_back(*streams[i].first).push();
    tasks.spawn("reader", read_forever(*streams[i].second, got[i], 4'000'000, reached));
  }
  const auto first = co_await reached.wait(9s);
  CO_ASSERT_OK(first);
  EXPECT_GE(*std::ranges::min_element(got), 3'000'000U) << ::testing::PrintToString(got);
  tasks.cancel();
  co_await tasks.join();
}

// ---- what stands before a key stroke ----

// A slow path, so that queues are full, and what may stand before a frame that goes first on a plain one: what its end
// holds, and one frame.
constexpr PathShape kSlow{.delay = 1, .per_ms = 2'000, .unsent = 16 * 1024};
constexpr std::size_t kBefore = 16 * 1024 + 16 * 1024 + kPathSlack;
// What a pipe holds beside that.
constexpr std::size_t kBacklog = PipeOptions{}.backlog;

// Until all who want much are known for it, in ms.
constexpr int kLongEnough = 2'000;

// Bytes that arrive at the far end before those of the stream do, if it writes now.
net::Task<std::size_t> bytes_before(VirtualWorld& world, std::size_t stream) {
  MuxStream& near = *world.streams[stream].first;
  Puller& puller = world.puller(stream);
  const std::size_t got = puller.got;
  const std::uint64_t from = world.path.arrived_far();
  const auto written = near.try_write(as_bytes("x"));
  EXPECT_TRUE(written && *written == 1);
  for (int i = 0; i < 3'000 && puller.got == got; ++i) co_await world.path.tick();
  EXPECT_GT(puller.got, got);
  co_return static_cast<std::size_t>(world.path.arrived_far() - from);
}

CO_TEST(MuxShares, AKeyStrokeDoesNotWaitForBulk) {
  VirtualWorld world(co_await net::this_executor(), kSlow);
  world.start();
  const std::size_t shell = co_await world.stream();
  for (int i = 0; i < 20; ++i) world.push(co_await world.stream());
  co_await world.path.run(kLongEnough);
  for (int i = 0; i < 5; ++i) {
    const std::size_t before = co_await bytes_before(world, shell);
    EXPECT_LE(before, kBefore);
    co_await world.path.run(7);
  }
}

CO_TEST(MuxShares, NorOnAPipe) {
  VirtualWorld world(co_await net::this_executor(), kSlow);
  co_await world.start_on_pipe();
  const std::size_t shell = co_await world.stream();
  for (int i = 0; i < 20; ++i) world.push(co_await world.stream());
  co_await world.path.run(kLongEnough);
  for (int i = 0; i < 5; ++i) {
    const std::size_t before = co_await bytes_before(world, shell);
    EXPECT_LE(before, kBefore + kBacklog);
    co_await world.path.run(7);
  }
}

// Its headers, and what it says first.
CO_TEST(MuxShares, NorDoesANewStream) {
  VirtualWorld world(co_await net::this_executor(), kSlow);
  world.start();
  for (int i = 0; i < 20; ++i) world.push(co_await world.stream());
  co_await world.path.run(kLongEnough);
  const std::uint64_t from = world.path.arrived_far();
  const std::size_t fresh = co_await world.stream();
  EXPECT_LE(world.path.arrived_far() - from, kBefore);
  const std::size_t before = co_await bytes_before(world, fresh);
  EXPECT_LE(before, kBefore);
}

// One that has been bulk, and is a shell again.
CO_TEST(MuxShares, WhatAStreamOnceWroteIsForgotten) {
  VirtualWorld world(co_await net::this_executor(), kSlow);
  world.start();
  const std::size_t shell = co_await world.stream();
  for (int i = 0; i < 3; ++i) world.push(co_await world.stream());
  Pusher& burst = world.push(shell, 300'000);
  for (int i = 0; i < 3'000 && burst.left > 0; ++i) co_await world.path.tick();
  CO_ASSERT_EQ(burst.left, 0U);
  co_await world.path.run(1'000);
  const std::size_t before = co_await bytes_before(world, shell);
  EXPECT_LE(before, kBefore);
}

// Small pieces are not what makes a stream want little.
CO_TEST(MuxShares, BulkInSmallPiecesGetsNoMoreThanOthers) {
  VirtualWorld world(co_await net::this_executor(), kSlow);
  world.start();
  for (int i = 0; i < 4; ++i) {
    const std::size_t number = co_await world.stream();
    world.push(number).block.resize(i == 0 ? 1'000 : 30'000);
  }
  co_await world.path.run(kLongEnough);
  std::array<std::size_t, 4> got{};
  for (std::size_t i = 0; i < 4; ++i) got[i] = world.puller(i).got;
  co_await world.path.run(4'000);
  for (std::size_t i = 0; i < 4; ++i) got[i] = world.puller(i).got - got[i];
  const std::size_t small = got[0];
  const std::size_t large = std::max({got[1], got[2], got[3]});
  EXPECT_LE(small, large + large / 10);
  EXPECT_GE(small, large - large / 10);
}

// ---- stopped readers ----

// What 99 streams carry in a second and a half, and perhaps a hundredth whose reader has stopped.
net::Task<std::size_t> carried_by_99(const net::Executor& executor, bool with_a_stopped_one) {
  VirtualWorld world(executor, PathShape{.delay = 20, .per_ms = 10'000});
  world.start();
  if (with_a_stopped_one) world.push_unread(co_await world.stream());
  for (int i = 0; i < 99; ++i) world.push(co_await world.stream());
  co_await world.path.run(500);
  const std::size_t before = world.pulled();
  co_await world.path.run(1'500);
  co_return world.pulled() - before;
}

CO_TEST(MuxShares, AStoppedReaderOnOneOf100StreamsCostsTheOthersNothing) {
  const net::Executor executor = co_await net::this_executor();
  const std::size_t without = co_await carried_by_99(executor, false);
  const std::size_t with = co_await carried_by_99(executor, true);
  EXPECT_GE(without, 12'000'000U);
  EXPECT_GE(static_cast<double>(with), 0.95 * static_cast<double>(without));
}

}  // namespace
}  // namespace portolan::tunnel
