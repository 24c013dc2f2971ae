#include "tunnel/toll.h"

#include <gtest/gtest.h>

#include "tunnel/reset_pace.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

// How many of a kind pass, of many in no time.
int at_once(Toll& toll, Toll::For what, BootTime now, std::uint64_t sent = 0) {
  int passed = 0;
  while (passed < 100'000 && toll.pay(what, now, sent)) ++passed;
  return passed;
}

TEST(Toll, ABurstPassesAndTimeEarnsMore) {
  Toll toll;
  BootTime now{1h};
  EXPECT_EQ(at_once(toll, Toll::For::kPing, now), 500);
  EXPECT_EQ(at_once(toll, Toll::For::kSettings, now), 100) << "each kind for itself";
  now += 2s;
  EXPECT_NEAR(at_once(toll, Toll::For::kPing, now), 200, 2);
  now += 1h;
  EXPECT_EQ(at_once(toll, Toll::For::kPing, now), 500) << "no more than at first";
}

TEST(Toll, WhatIsSentEarnsCredit) {
  Toll toll;
  const BootTime now{1h};
  EXPECT_EQ(at_once(toll, Toll::For::kCredit, now), 5'000);
  // As an honest peer does: one for 32 KiB, without end.
  std::uint64_t sent = 0;
  for (int i = 0; i < 1'000'000; ++i) ASSERT_TRUE(toll.pay(Toll::For::kCredit, now, sent += 32 * 1024));
}

// An acceptor, and what is under way to it.
TEST(ResetPace, NoAcceptorSeesThemTooFast) {
  for (const auto stall : {0ms, 700ms, 5'000ms, 60'000ms}) {
    ResetPace pace;
    Toll toll;
    BootTime now{1h};
    std::vector<char> under_way;  // 'r' and 'p'
    int resets = 0;
    for (int ms = 0; ms < 200'000; ms += 10) {
      now += 10ms;
      while (pace.take()) under_way.push_back('r');
      if (pace.ping_is_due(now)) {
        pace.sent(now);
        under_way.push_back('p');
      }
      // The way stands still again and again.
      if (stall > 0ms && ms % (2 * stall.count()) < stall.count()) continue;
      for (const char what : std::exchange(under_way, {})) {
        if (what == 'p') pace.answered(now);
        if (what == 'p') continue;
        ++resets;
        ASSERT_TRUE(toll.pay(Toll::For::kReset, now, 0)) << stall.count() << " after " << ms;
      }
    }
    EXPECT_GE(resets, stall > 1s ? 1'000 : 5'000) << stall.count();
  }
}

// It rests until it has all of its burst again, and then another burst comes.
TEST(ResetPace, NorAfterARest) {
  ResetPace pace;
  Toll toll;
  BootTime now{1h};
  for (int burst = 0; burst < 5; ++burst) {
    for (int i = 0; i < 1'200; ++i) {
      for (int more = 0; more < 200 && pace.take(); ++more) ASSERT_TRUE(toll.pay(Toll::For::kReset, now, 0));
      now += 1ms;
      if (!pace.ping_is_due(now)) continue;
      pace.sent(now);
      pace.answered(now);
    }
    for (int i = 0; i < 100'000 && pace.needs_pings(); ++i) {
      now += 100ms;
      if (!pace.ping_is_due(now)) continue;
      pace.sent(now);
      pace.answered(now);
    }
    EXPECT_FALSE(pace.needs_pings());
    now += 1h;
  }
}

}  // namespace
}  // namespace portolan::tunnel
