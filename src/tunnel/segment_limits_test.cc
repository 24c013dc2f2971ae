#include "tunnel/segment_limits.h"

#include <gtest/gtest.h>

namespace portolan::tunnel {
namespace {
using namespace std::chrono_literals;

TEST(SegmentLimits, BecomeShorterByStepsWhereConnectionsFallSilent) {
  FakeClock clock;
  SegmentLimits limits(clock);
  EXPECT_EQ(limits.longest("home"), 0);
  limits.fell_silent("home");
  EXPECT_EQ(limits.longest("home"), 1200);
  EXPECT_EQ(limits.longest("office"), 0) << "another network";
  clock.advance(1999ms);
  limits.fell_silent("home");
  EXPECT_EQ(limits.longest("home"), 1200) << "of the same silence";
  clock.advance(1ms);
  limits.fell_silent("home");
  EXPECT_EQ(limits.longest("home"), 536);
  clock.advance(10s);
  limits.fell_silent("home");
  EXPECT_EQ(limits.longest("home"), 536) << "shorter ones are of no use";
}

TEST(SegmentLimits, AreForgottenAfterAnHour) {
  FakeClock clock;
  SegmentLimits limits(clock);
  limits.fell_silent("home");
  clock.advance(1h - 1ms);
  EXPECT_EQ(limits.longest("home"), 1200);
  clock.advance(1ms);
  EXPECT_EQ(limits.longest("home"), 0);
  limits.fell_silent("home");
  EXPECT_EQ(limits.longest("home"), 1200);
}

TEST(SegmentLimits, HoldSoManyNetworksAtMost) {
  FakeClock clock;
  SegmentLimits limits(clock);
  for (int i = 0; i < 64; ++i) limits.fell_silent("net" + std::to_string(i));
  limits.fell_silent("one more");
  EXPECT_EQ(limits.longest("one more"), 0);
  EXPECT_EQ(limits.longest("net0"), 1200);
  clock.advance(1h);
  limits.fell_silent("one more");
  EXPECT_EQ(limits.longest("one more"), 1200);
}

}  // namespace
}  // namespace portolan::tunnel
