// The loads of portolan_load: each opens its connections to one address, warms up, measures for a window of
// time and says what came of it. A load ends by itself: a path that does not answer is a failure after `kPatience`.
#pragma once
#include <chrono>
#include <cstdint>

#include "sockets.h"

namespace portolan::load {

inline constexpr std::chrono::seconds kPatience = std::chrono::seconds(20);
inline constexpr std::chrono::milliseconds kPatienceForOne = std::chrono::milliseconds(20);  // and for each of many

struct Plan {
  Address to = {};
  unsigned connections = 1;
  std::chrono::milliseconds warm_up = std::chrono::milliseconds(700);
  std::chrono::milliseconds window = std::chrono::milliseconds(2000);
  // Of an upload or a download: so many of the connections, the first ones, are not read from by whoever should. They
  // are not counted.
  unsigned stopped = 0;
};

struct Bulk {
  double mib_per_second = 0;  // delivered: for an upload, what the server has told that it has read
  double fairness = 0;        // the slowest connection's share over the fastest one's
  std::uint64_t failures = 0;
};

struct Rounds {
  std::uint64_t count = 0;
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  std::uint64_t failures = 0;
};

Bulk upload(const Plan& plan);
Bulk download(const Plan& plan);
// One byte to and fro on each connection, the next as soon as the last has come back.
Rounds ping_pong(const Plan& plan);
// Connect, one byte there, one byte back, close: `connections` of them at any time.
Rounds connects(const Plan& plan);
// Opens them, one byte to and fro on each, prints {"open": N, "failures": N} and keeps them until standard input ends.
void idle(const Plan& plan);

}  // namespace portolan::load
