// What a node does by its kind (directory/placement.h): what its port serves, whether it passes people's paths on, and
// whether it dials those who do.
#pragma once
#include <string>
#include <vector>

#include "node/identity.h"
#include "tunnel/link.h"

namespace portolan::node {

struct Placement {
  bool listens = false;
  std::vector<tunnel::Purpose> port = {};  // what its port serves, beside HTTPS
  bool forwards = false;                   // passes paths on, to nodes that have dialled it
  bool meshes = false;                     // and by other gateways
  bool dials = false;                      // gateways or bridge workers, with reverse links
};

// Code::kInvalid, with the remedy, for a kind that is not known, or one that listens without --listen or the other way
// round.
Result<Placement> placement_of(const std::string& kind, bool listens);

// The ports guide has links over WebSocket for gateways alone; relays are to be allowed to dial them. Code::kInvalid,
// with the remedy, for another kind.
Result<> check_web(const std::string& kind, const NodeOptions& options);

// Whether another node may come in: gateways and relays have to do with each other, workers with those of their own
// cluster only.
Result<> check_neighbour(const Identity& identity, const crypto::Certificate& leaf);

}  // namespace portolan::node
