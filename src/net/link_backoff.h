// Waits between attempts at a link that is to be kept (docs/wire.md, "Timers"). What a good link has ended with is most
// often a process that is started again within seconds, and until it is linked again its peers have one way fewer: so
// for a while the waits stay short. That burdens nobody: who is away refuses connections at once, and who is back takes
// as many at a time as it can (admission.h). A link that ends as soon as it has been made is no good one: the waits
// between its handshakes double like those between attempts that fail.
#pragma once
#include <chrono>

#include "base/clock.h"
#include "net/backoff.h"

namespace portolan::net {

class LinkBackoff {
 public:
  // A link that has lasted so long was a good one.
  static constexpr std::chrono::milliseconds kGood = std::chrono::seconds(1);
  // As long as a restart takes that waits for what runs to move (its drain limit, 20 s), and a start.
  static constexpr std::chrono::milliseconds kSoonFor = std::chrono::seconds(30);
  static constexpr std::chrono::milliseconds kFirst = std::chrono::milliseconds(200);

  // The longest wait while a good link has been lost lately, and otherwise.
  LinkBackoff(std::chrono::milliseconds soon, std::chrono::milliseconds longest)
      : soon_(soon), usual_(kFirst, longest) {}

  // A link that has lasted so long has ended, or is leaving.
  void lost(std::chrono::nanoseconds lasted, BootTime now) {
    if (lasted < kGood) return;
    usual_.reset();
    soon_until_ = now + kSoonFor;
  }
  std::chrono::milliseconds next(BootTime now) { return now < soon_until_ ? usual_.next(soon_) : usual_.next(); }

 private:
  std::chrono::milliseconds soon_;
  Backoff usual_;
  BootTime soon_until_{};
};

}  // namespace portolan::net
