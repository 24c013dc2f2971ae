// How fast an opener may reset streams that have not been answered. Acceptors take 1,000 at once and 100 a second
// (docs/wire.md, "Limits") and end the link of who is faster, be it only that people's programs give up thousands of
// connects; so the opener stays below that by itself.
//
// What counts is when the acceptor sees them, and a pipe may stand still between: time counts only as far as the
// answers to pings show that it has passed there, too.
#pragma once
#include <chrono>
#include <optional>

#include "base/clock.h"

namespace portolan::tunnel {

class ResetPace {
 public:
  // Whether one may go now; it is counted.
  bool take();
  // Whether a ping is to be sent now. To be asked every kEvery while needs_pings().
  static constexpr std::chrono::milliseconds kEvery{500};
  bool needs_pings() const { return recovering_; }
  bool ping_is_due(BootTime now) const;
  void sent(BootTime now) { sent_ = now; }
  void answered(BootTime now);

 private:
  static constexpr double kAtOnce = 800;
  static constexpr double kPerSecond = 80;

  double left_ = kAtOnce;
  bool recovering_ = false;
  std::optional<BootTime> sent_;      // a ping that has not been answered
  std::optional<BootTime> answered_;  // the last one was
};

}  // namespace portolan::tunnel
