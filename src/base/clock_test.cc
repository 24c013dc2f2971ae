#include "base/clock.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {
using namespace std::chrono_literals;

TEST(Clock, Rfc3339RoundTrips) {
  const WallTime time = *from_rfc3339("2026-11-23T20:24:01.123Z");
  EXPECT_EQ(to_rfc3339(time), "2026-11-23T20:24:01.123Z");
  EXPECT_EQ(*from_rfc3339("2026-11-23T20:24:01Z") + 123ms, time);
}

TEST(Clock, RefusesOtherTimes) {
  for (const char* text : {"", "2026-11-23", "2026-13-23T20:24:01Z", "2026-02-30T20:24:01Z", "2026-11-23T24:00:00Z",
                           "2026-11-23T20:24:01+01:00", "2026-11-23T20:24:01.Z", "2026-11-23 20:24:01Z"})
    EXPECT_FALSE(from_rfc3339(text)) << text;
}

TEST(Clock, Durations) {
  EXPECT_EQ(*parse_duration("90s"), 90s);
  EXPECT_EQ(*parse_duration("1d12h"), 36h);
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(format_duration(36h), "1d12h");
  EXPECT_EQ(format_duration(0ms), "0s");
  for (const char* text : {"", "5", "s", "5 s", "-5s", "5x", "999999999999d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

}  // namespace
}  // namespace portolan
