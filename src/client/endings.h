// The last sessions that were ended, and why, for the person who asks "why was I cut off?": the egress node tells of
// those that it has ended (docs/wire.md, "Endings"), and the agent sees for itself when the way to it has broken.
#pragma once
#include <deque>
#include <string>
#include <vector>

#include "api/local.h"

namespace portolan::client {

// One loop. Kept in memory, so many at most.
class Endings {
 public:
  static constexpr std::size_t kKept = 20;

  // A session with the same trace that is known already keeps the reason that the egress node gave, whichever came
  // first.
  enum class Source { kEgress, kAgent };
  void add(api::LocalEnding ending, Source source);
  // Newest first.
  std::vector<api::LocalEnding> list() const { return {kept_.begin(), kept_.end()}; }

 private:
  std::deque<api::LocalEnding> kept_;
};

}  // namespace portolan::client
