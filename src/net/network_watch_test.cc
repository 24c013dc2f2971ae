#include "net/network_watch.h"

#include <gtest/gtest.h>

namespace portolan::net {
namespace {

using namespace std::chrono_literals;

TEST(SleepDetector, SeesWhatTheMonotonicClockHasMissed) {
  SleepDetector detector;
  EXPECT_FALSE(detector.slept(5000s, 100s));  // what was slept before we began
  EXPECT_FALSE(detector.slept(5001s, 101s));
  EXPECT_TRUE(detector.slept(9000s, 102s));
  EXPECT_FALSE(detector.slept(9001s, 103s));
}

TEST(SleepDetector, TakesNoBusyMachineForASleepingOne) {
  SleepDetector detector;
  EXPECT_FALSE(detector.slept(10s, 10s));
  EXPECT_FALSE(detector.slept(100s, 100s));
  EXPECT_FALSE(detector.slept(101s + 900ms, 100s));  // clocks are read one after the other
}

}  // namespace
}  // namespace portolan::net
