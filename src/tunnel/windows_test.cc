#include "tunnel/windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kFirst = 256 * 1024;
constexpr std::uint32_t kLargest = 16 * 1024 * 1024;
constexpr Windows::Limits kLimits{.first = kFirst, .largest = kLargest, .grown = 32U * 1024 * 1024};
constexpr Windows::Room kRoomy{SIZE_MAX, SIZE_MAX};

// A stream that its sender fills to its window in each round trip.
struct Full {
  Window window;
  bool reads = true;
  std::size_t waiting = 0;
};

// One round trip of 100 ms.
void round(Windows& windows, std::vector<Full*> streams, BootTime& now, Windows::Room room = kRoomy) {
  for (Full* one : streams) {
    const auto n = static_cast<std::size_t>(std::max<std::int64_t>(one->window.credit, 0));
    one->waiting += n;
    [[maybe_unused]] const bool ping = windows.arrived(one->window, n, now);
  }
  now += 100ms;
  windows.answered(now);
  for (Full* one : streams) {
    if (!one->reads) continue;
    one->waiting = 0;
    [[maybe_unused]] const auto given = windows.credit(one->window, 0, room);
  }
  now += 25ms;
}

TEST(Windows, AFullWindowDoublesUpToTheLargest) {
  Windows windows(kLimits);
  Full one{windows.open()};
  BootTime now{1h};
  for (std::uint32_t size = kFirst; size <= kLargest; size *= 2) {
    EXPECT_EQ(one.window.size, size);
    round(windows, {&one}, now);
  }
  EXPECT_EQ(one.window.size, kLargest);
  EXPECT_EQ(one.window.credit, kLargest) << "all of it is the sender's";
  EXPECT_EQ(windows.grown(), kLargest - kFirst);
  windows.close(one.window);
  EXPECT_EQ(windows.grown(), 0U);
}

TEST(Windows, OneThatIsNotFilledStays) {
  Windows windows(kLimits);
  Window window = windows.open();
  BootTime now{1h};
  for (int i = 0; i < 20; ++i) {
    [[maybe_unused]] const bool ping = windows.arrived(window, kFirst / 4, now);
    now += 100ms;
    windows.answered(now);
    [[maybe_unused]] const auto given = windows.credit(window, 0, kRoomy);
    now += 25ms;
  }
  EXPECT_EQ(window.size, kFirst);
}

TEST(Windows, OneWhoseReaderIsSlowStays) {
  Windows windows(kLimits);
  Window window = windows.open();
  BootTime now{1h};
  for (int i = 0; i < 20; ++i) {
    [[maybe_unused]] const bool ping = windows.arrived(window, static_cast<std::size_t>(window.credit), now);
    now += 100ms;
    windows.answered(now);
    const auto given = windows.credit(window, kFirst / 2, kRoomy);
    EXPECT_LE(given, kFirst / 2);
    now += 25ms;
  }
  EXPECT_EQ(window.size, kFirst);
}

TEST(Windows, PingsAreFew) {
  Windows windows(kLimits);
  Window window = windows.open();
  BootTime now{1h};
  int pings = 0;
  for (int i = 0; i < 10'000; ++i) {
    pings += windows.arrived(window, 16'000, now) ? 1 : 0;
    now += 100us;
    windows.answered(now);
    [[maybe_unused]] const auto given = windows.credit(window, 0, kRoomy);
  }
  EXPECT_LE(pings, 50) << "in a second";
  EXPECT_GE(pings, 10);
}

TEST(Windows, WhatIsNoRoundTripTeachesNothing) {
  Windows windows(kLimits);
  Window window = windows.open();
  BootTime now{1h};
  ASSERT_TRUE(windows.arrived(window, kFirst, now));
  now += 5s;
  windows.answered(now);
  [[maybe_unused]] const auto given = windows.credit(window, 0, kRoomy);
  EXPECT_EQ(window.size, kFirst);
}

TEST(Windows, ThoseWhoWantMoreShareIt) {
  Windows windows(kLimits);
  std::vector<Full> streams(16, Full{windows.open()});
  BootTime now{1h};
  // The first two come early, and take all.
  for (int i = 0; i < 12; ++i) round(windows, {&streams[0], &streams[1]}, now);
  EXPECT_EQ(streams[0].window.size, kLargest);
  std::vector<Full*> all;
  for (Full& one : streams) all.push_back(&one);
  for (int i = 0; i < 60; ++i) {
    round(windows, all, now);
    ASSERT_LE(windows.grown(), kLimits.grown);
  }
  const auto [least, most] = std::ranges::minmax(streams, {}, [](const Full& one) { return one.window.size; });
  EXPECT_GE(least.window.size, 2U * 1024 * 1024);
  EXPECT_LE(most.window.size, 3U * 1024 * 1024);
}

TEST(Windows, WhereMemoryIsShortTheyShrinkAndNoneGrow) {
  Windows windows(kLimits);
  Full one{windows.open()}, other{windows.open()};
  BootTime now{1h};
  for (int i = 0; i < 10; ++i) round(windows, {&one}, now);
  ASSERT_EQ(one.window.size, kLargest);
  for (int i = 0; i < 10; ++i) round(windows, {&one, &other}, now, {kFirst, 0});
  EXPECT_EQ(one.window.size, kFirst);
  EXPECT_LE(one.window.credit, kFirst);
  EXPECT_EQ(other.window.size, kFirst);
  EXPECT_EQ(windows.grown(), 0U);
}

TEST(Windows, CreditThatWasGivenIsUsedUpBeforeThereIsMore) {
  Windows windows(kLimits);
  Full one{windows.open()};
  BootTime now{1h};
  for (int i = 0; i < 4; ++i) round(windows, {&one}, now);
  ASSERT_EQ(one.window.size, 16 * kFirst);
  // Nothing is left: a window's worth is under way, and is taken back.
  for (int taken = 0; taken < 200; ++taken) {
    [[maybe_unused]] const bool ping = windows.arrived(one.window, kFirst / 8, now);
    const auto given = windows.credit(one.window, 0, {0, 0});
    if (one.window.credit > kFirst) EXPECT_EQ(given, 0U);
  }
  EXPECT_EQ(one.window.size, kFirst);
  EXPECT_LE(one.window.credit, kFirst);
  EXPECT_GE(one.window.credit, kFirst - kFirst / 8);
}

}  // namespace
}  // namespace portolan::tunnel
