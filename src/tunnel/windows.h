// How much the peer may send of each stream before its reader takes it. A window begins small and follows bandwidth ×
// delay: of a stream that has filled its window within a round trip, and whose reader has taken it all, it grows. What
// all have grown by is bounded, shared by those who want it, and taken back where memory is short: credit that was
// given cannot be called back, so a smaller window gives none until the larger one has been used up.
//
// The machine alone: the time is told, and who owns it sends the pings.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace portolan::tunnel {

// Of one stream.
struct Window {
  std::uint32_t size = 0;   // for what is under way and what waits for the reader, together
  std::int64_t credit = 0;  // what the peer may still send
  std::uint32_t round = 0;  // the round trip in which `arrived` was counted
  bool wants = false;       // more than the first size
  std::uint64_t arrived = 0;
  std::uint64_t shown = 0;       // what arrived in a round trip that is over, and has not been judged yet
  std::uint64_t unmeasured = 0;  // has arrived since a round trip was measured
};

// Of all streams of a link.
class Windows {
 public:
  struct Limits {
    std::uint32_t first = 0;    // size of a window
    std::uint32_t largest = 0;  // no less than `first`
    std::size_t grown = 0;      // by which all may be larger than `first`, together
  };
  explicit Windows(Limits limits) : limits_(limits) {}

  Window open() const { return {.size = limits_.first, .credit = limits_.first}; }
  void close(Window& window);
  // `n` bytes have arrived. True: a ping is to be sent, whose answer is told to answered().
  bool arrived(Window& window, std::size_t n, BootTime now);
  void answered(BootTime now);
  struct Room {
    std::size_t left = 0;    // that may still be held for the stream
    std::size_t growth = 0;  // by which its window may grow
  };
  // The reader has taken some, and `waiting` bytes wait for it. Gives what the peer is to be given now; 0: nothing yet.
  std::uint32_t credit(Window& window, std::size_t waiting, Room room);
  std::size_t grown() const { return grown_; }

 private:
  void show(Window& window) const;
  void judge(Window& window, std::size_t waiting, Room room);
  void resize(Window& window, std::uint32_t size);
  std::uint32_t fair() const;
  void want(Window& window, bool wants);

  const Limits limits_;
  std::size_t grown_ = 0;
  std::size_t wanting_ = 0;
  std::uint32_t round_ = 0;  // that runs, or has run
  std::uint32_t over_ = 0;   // the last one that is over, and was a round trip
  bool measuring_ = false;
  BootTime began_{};
  BootTime next_{};  // not before it another one is measured
};

}  // namespace portolan::tunnel
