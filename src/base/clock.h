// Time, of two kinds: the wall clock, which people read and certificates bear and which may be wrong or jump; and the
// boot clock, which only moves forward, also while the machine sleeps, and on which every duration runs (architecture
// §10.12).
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace portolan {

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

// Passed by reference to whatever decides by time; outlives it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual BootTime boot() const = 0;
  // The machine's own clocks.
  static const Clock& real();
};

// For tests: stands still until it is moved. Not thread-safe.
class FakeClock : public Clock {
 public:
  WallTime wall() const override { return wall_; }
  BootTime boot() const override { return boot_; }
  void advance(std::chrono::milliseconds by) {
    wall_ += by;
    boot_ += by;
  }
  void jump_wall(std::chrono::milliseconds by) { wall_ += by; }

 private:
  WallTime wall_{std::chrono::milliseconds(1'800'000'000'000)};
  BootTime boot_{std::chrono::hours(1)};
};

// RFC 3339 in UTC with milliseconds: "2026-11-23T20:24:01.123Z".
std::string to_rfc3339(WallTime time);
Result<WallTime> from_rfc3339(std::string_view text);

// "90s", "2h", "1d12h", "250ms": units ms, s, m, h, d.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace portolan
