// When a spool syncs: at once when the last sync is long ago or somebody waits for it, else in groups, so that a busy
// node syncs a few times a second however many records it makes.
//
// What counts is how old a record can be before it is on the disk. One that comes just after a sync has begun waits for
// the next one to end: that one begins so much before the interval is over as the last one took.
#pragma once
#include <algorithm>
#include <chrono>

namespace portolan::audit {

class SyncPace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit SyncPace(std::chrono::milliseconds interval) : interval_(interval) {}
  void synced(Time began, Time ended) { next_ = std::max(ended, began + interval_ - (ended - began)); }
  // Not before this time, unless somebody waits.
  Time next() const { return next_; }

 private:
  std::chrono::milliseconds interval_;
  Time next_{};
};

}  // namespace portolan::audit
