#include "client/meter.h"

#include <gtest/gtest.h>

namespace portolan::client {
namespace {
using namespace std::chrono_literals;

TEST(Meter, KnowsWhatHasMovedLately) {
  FakeClock clock;
  Meter meter(clock);
  EXPECT_EQ(meter.lately(), 0U);
  meter.moved(100);
  meter.moved(50);
  EXPECT_EQ(meter.lately(), 150U);
  clock.advance(999ms);
  EXPECT_EQ(meter.lately(), 150U);
  clock.advance(500ms);
  EXPECT_EQ(meter.lately(), 150U) << "for a span at least";
  meter.moved(10);
  EXPECT_EQ(meter.lately(), 150U);
  clock.advance(1000ms);
  EXPECT_EQ(meter.lately(), 10U);
  clock.advance(1000ms);
  EXPECT_EQ(meter.lately(), 0U);
  meter.moved(7);
  EXPECT_EQ(meter.lately(), 7U) << "what is older does not come back";
}

TEST(Meter, IsIdleWithoutStreams) {
  FakeClock clock;
  Meter meter(clock);
  clock.advance(5s);
  EXPECT_EQ(meter.idle(), 5s);
  meter.began();
  meter.began();
  EXPECT_EQ(meter.streams(), 2U);
  EXPECT_EQ(meter.idle(), 0s);
  meter.ended();
  clock.advance(5s);
  EXPECT_EQ(meter.idle(), 0s);
  meter.ended();
  clock.advance(3s);
  EXPECT_EQ(meter.idle(), 3s);
}

}  // namespace
}  // namespace portolan::client
