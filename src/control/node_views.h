// What nodes are told of the directory: their peers, what each account may open through a gateway, and whom to refuse.
#pragma once
#include <map>
#include <string>

#include "api/node.h"
#include "base/clock.h"
#include "control/lookup.h"
#include "control/routing.h"

namespace portolan::control {

// Remembers what has been deleted while certificates for it may still be good. One loop.
class NodeViews {
 public:
  NodeViews(const Clock& clock, std::chrono::milliseconds certificate_life, const Routing& routing)
      : clock_(clock), life_(certificate_life), routing_(routing) {}
  // After every change of the directory.
  void update(const LookupPtr& lookup);
  // Gateways are told all but of clusters; relays do without the other relays and the accounts. Of workers, bridge
  // workers are told each other, the inner workers of their cluster and what accounts may open there, and inner workers
  // their bridge workers.
  api::NodeView of(const Lookup& lookup, const directory::Node& node);

 private:
  using Tombstones = std::map<std::string, WallTime>;  // until when
  void note_deleted(const directory::Snapshot& before, const directory::Snapshot& now);
  const api::NodeView& shared(const Lookup& lookup);

  const Clock& clock_;
  const std::chrono::milliseconds life_;
  const Routing& routing_;
  LookupPtr last_;
  Tombstones accounts_;
  Tombstones devices_;
  Tombstones serials_;
  api::NodeView shared_;  // of one revision, for all
  std::string shared_epoch_;
  std::uint64_t shared_revision_ = 0;
  std::optional<WallTime> shared_until_;  // then a grant begins or ends
};

}  // namespace portolan::control
