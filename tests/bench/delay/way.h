// One direction of a delay line: which packets pass, and when each comes out.
//
// As the delay is the same for all, what comes in first comes out first, and the packets that wait are a plain queue:
// no heap, no timer wheel. Jitter keeps the order (none comes out before the one ahead of it); the few that are
// reordered do not wait, and have a queue of their own.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <span>

#include "options.h"

namespace portolan::delay {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;

struct Packet {
  std::unique_ptr<char[]> bytes = {};
  std::size_t size = 0;  // with the header of tun.h
  Moment due = {};

  explicit operator bool() const { return bytes != nullptr; }
};

struct Counts {
  std::uint64_t passed = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lost = 0;     // by chance
  std::uint64_t cut = 0;      // by --cut and --black-hole
  std::uint64_t dropped = 0;  // for want of room
};

class Way {
 public:
  // `cut` is the value of Settings::cut that closes this way.
  Way(const Settings& settings, Cut cut, unsigned long long seed) : settings_(settings), cut_(cut), random_(seed) {}

  // Whether a packet of this size, without the header of tun.h, coming in now, is to be kept, and until when; false: it
  // is dropped and counted.
  bool admit(std::size_t size, Moment now, Moment& due);
  void keep(Packet packet, Moment now);
  // When the next one is due; Moment::max() if none waits.
  Moment next() const;
  // Takes the next one that is due out of the queue; without bytes: none is.
  Packet release(Moment now);

  Counts counts = {};

 private:
  bool chance(double probability) { return probability > 0 && share_(random_) < probability; }
  // When the last bit of it has left for a line of this rate; Moment::max() if too much waits for that already.
  Moment sent(std::size_t size, Moment now);

  const Settings& settings_;
  Cut cut_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> share_{0, 1};
  std::deque<Packet> waiting_ = {};
  std::deque<Packet> ahead_ = {};
  std::size_t held_ = 0;
  Moment line_free_ = {};
  Moment last_due_ = {};
};

}  // namespace portolan::delay
