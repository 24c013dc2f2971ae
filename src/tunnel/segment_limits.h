// How long the segments of connections to gateways may be, by the network where this machine is (docs/wire.md, "Long
// packets that vanish"). The kernel finds out what a line takes if routers tell it; where they do not, short packets
// pass and long ones vanish: a connection is made, and then falls silent as soon as much is sent. Nobody is told, so
// the only sign is that silence. Who sees it dials the next connection with shorter segments, which costs little if it
// was for nothing.
#pragma once
#include <chrono>
#include <map>
#include <string>

#include "base/clock.h"

namespace portolan::tunnel {

class SegmentLimits {
 public:
  // Fits what tunnels and DSL leave of 1,500 bytes; and the least that every IPv4 host takes (RFC 9293 §3.7.1).
  static constexpr int kShorter = 1200;
  static constexpr int kShortest = 536;
  // It is remembered for so long; then what the line takes is tried again.
  static constexpr std::chrono::milliseconds kKept = std::chrono::hours(1);
  // What falls silent within so long, did so for one reason: all connections of a line do so at once.
  static constexpr std::chrono::milliseconds kAtOnce = std::chrono::seconds(2);

  explicit SegmentLimits(const Clock& clock) : clock_(clock) {}
  // In this network now; 0: no limit.
  int longest(const std::string& network) const;
  // A connection that has been made there has fallen silent, though something was sent on it.
  void fell_silent(const std::string& network);

 private:
  struct Known {
    int longest = 0;
    BootTime since{};
  };
  const Clock& clock_;
  std::map<std::string, Known> known_;  // by network
};

}  // namespace portolan::tunnel
