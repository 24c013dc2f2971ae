// Windows over a path that is long: a stream fills it, with a pipe below or without; and nothing waits for itself.
#include <gtest/gtest.h>

#include "tunnel/mux_virtual.h"

namespace portolan::tunnel {
namespace {

// 100 ms there and back, 20 MB a second: 2 MB are under way.
constexpr PathShape kLong{.delay = 50, .per_ms = 20'000};
constexpr double kTwoSeconds = 2'000 * 20'000.0;

// Of what the path can carry in two seconds, how much all streams do, once windows have had the time to grow.
net::Task<double> part_of_the_path(VirtualWorld& world, int streams) {
  for (int i = 0; i < streams; ++i) world.push(co_await world.stream());
  co_await world.path.run(2'500);
  const std::size_t before = world.pulled();
  co_await world.path.run(2'000);
  co_return static_cast<double>(world.pulled() - before) / kTwoSeconds;
}

CO_TEST(MuxWindows, OneStreamFillsALongPath) {
  VirtualWorld world(co_await net::this_executor(), kLong);
  world.start();
  const double part = co_await part_of_the_path(world, 1);
  EXPECT_GE(part, 0.8);
}

CO_TEST(MuxWindows, OneThatMayNotGrowDoesNot) {
  VirtualWorld world(co_await net::this_executor(), kLong);
  world.start({.largest_window = 256 * 1024});
  const double part = co_await part_of_the_path(world, 1);
  EXPECT_LE(part, 0.2);
  EXPECT_GE(part, 0.1);
}

CO_TEST(MuxWindows, OneStreamOnAPipeFillsALongPath) {
  VirtualWorld world(co_await net::this_executor(), kLong);
  co_await world.start_on_pipe();
  const double part = co_await part_of_the_path(world, 1);
  EXPECT_GE(part, 0.8);
  EXPECT_EQ(world.far_pipe->over(), false);
}

CO_TEST(MuxWindows, EightShareItFairly) {
  VirtualWorld world(co_await net::this_executor(), kLong);
  world.start();
  const double part = co_await part_of_the_path(world, 8);
  EXPECT_GE(part, 0.8);
  std::size_t least = SIZE_MAX, most = 0;
  std::vector<std::size_t> before;
  for (std::size_t i = 0; i < 8; ++i) before.push_back(world.puller(i).got);
  co_await world.path.run(1'000);
  for (std::size_t i = 0; i < 8; ++i) {
    const std::size_t got = world.puller(i).got - before[i];
    least = std::min(least, got);
    most = std::max(most, got);
  }
  EXPECT_GE(static_cast<double>(least), 0.9 * static_cast<double>(most));
}

// All that windows have grown by is noted where links share a budget, and given back.
CO_TEST(MuxWindows, GrowthIsNotedInTheSharedBudget) {
  const auto shared = std::make_shared<Budget>(Budget{.limit = 8U * 1024 * 1024});
  {
    VirtualWorld world(co_await net::this_executor(), kLong);
    world.start({.shared = shared});
    for (int i = 0; i < 4; ++i) world.push(co_await world.stream());
    std::size_t most = 0;
    for (int i = 0; i < 2'000; ++i) {
      co_await world.path.tick();
      most = std::max(most, shared->promised);
    }
    EXPECT_GE(most, 500'000U);
    EXPECT_LE(most, 4U * 1024 * 1024);
    EXPECT_FALSE(world.acceptor.end.has_value());
  }
  EXPECT_EQ(shared->promised, 0U);
  EXPECT_EQ(shared->used, 0U);
}

// ---- full in both directions ----

void push_back(VirtualWorld& world, std::deque<Pusher>& back, std::size_t number, std::size_t bytes) {
  back.emplace_back(*world.streams[number].second).left = bytes;
  back.back().push();
}

// Pipes with buffers smaller than the windows, and no reader: all is full. A stream that is read still moves, both
// ways; and when readers come, everything arrives.
CO_TEST(MuxWindows, APipesBufferAndTheWindowsDoNotWaitForEachOther) {
  constexpr std::size_t kBytes = 1'500'000;
  VirtualWorld world(co_await net::this_executor(), PathShape{.delay = 2, .per_ms = 20'000});
  co_await world.start_on_pipe(
      {.first_window = 64 * 1024, .largest_window = 128 * 1024, .backlog = 32 * 1024, .ack_every = 16 * 1024});
  std::deque<Pusher> back;
  for (int i = 0; i < 8; ++i) {
    const std::size_t number = co_await world.stream();
    world.push_unread(number, kBytes);
    push_back(world, back, number, kBytes);
  }
  co_await world.path.run(800);
  const std::uint64_t far = world.path.arrived_far(), near = world.path.arrived_near();
  co_await world.path.run(200);
  EXPECT_LE(world.path.arrived_far() - far + world.path.arrived_near() - near, 10'000U) << "it is not full";
  const std::size_t read = co_await world.stream();
  Puller reply{*world.streams[read].first};
  reply.pull();
  world.push(read, 500'000);
  push_back(world, back, read, 500'000);
  co_await world.path.run(500);
  EXPECT_EQ(world.puller(read).got, 500'000U);
  EXPECT_EQ(reply.got, 500'000U);
  std::deque<Puller> replies;
  for (std::size_t i = 0; i < 8; ++i) {
    world.puller(i);
    replies.emplace_back(*world.streams[i].first).pull();
  }
  co_await world.path.run(4'000);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(world.puller(i).got, kBytes) << i;
    EXPECT_EQ(replies[i].got, kBytes) << i;
  }
  world.streams.clear();
}

}  // namespace
}  // namespace portolan::tunnel
