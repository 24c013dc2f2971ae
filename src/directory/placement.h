// Where nodes of proxy clusters stand: behind one address, all alike; or, in a bridged cluster, some at the address and
// the others behind those. What a node is follows from its cluster and from whether it listens, and never changes.
#pragma once
#include <string_view>
#include <vector>

#include "directory/decision.h"

namespace portolan::directory {

inline constexpr std::string_view kWorker = "worker";  // listens, and is an egress itself
inline constexpr std::string_view kBridgeWorker =
    "bridge-worker";  // listens, and passes on to its cluster's inner ones
inline constexpr std::string_view kBridgedWorker = "bridged-worker";  // listens on nothing; dials the bridge workers

bool is_worker(std::string_view kind);
// The kinds that have an address for others to dial.
bool listens(std::string_view kind);

// The cluster's nodes of this kind that are not revoked.
std::vector<const Node*> workers(const Snapshot& snapshot, std::string_view cluster, std::string_view kind);
// Those of them that reach resources; none for a cluster that is not there.
std::vector<const Node*> egress_workers(const Snapshot& snapshot, std::string_view cluster);

// By id, else by name; null if there is none.
const Cluster* find_cluster(const Snapshot& snapshot, std::string_view key);

}  // namespace portolan::directory
