#include "directory/placement.h"

#include <algorithm>

namespace portolan::directory {

bool is_worker(std::string_view kind) { return kind == kWorker || kind == kBridgeWorker || kind == kBridgedWorker; }

bool listens(std::string_view kind) { return kind == "gateway" || kind == kWorker || kind == kBridgeWorker; }

std::vector<const Node*> workers(const Snapshot& snapshot, std::string_view cluster, std::string_view kind) {
  std::vector<const Node*> out;
  for (const auto& [id, node] : snapshot.nodes)
    if (node.cluster == cluster && node.kind == kind && !node.revoked) out.push_back(&node);
  return out;
}

std::vector<const Node*> egress_workers(const Snapshot& snapshot, std::string_view cluster) {
  const auto found = snapshot.clusters.find(cluster);
  if (found == snapshot.clusters.end()) return {};
  return workers(snapshot, cluster, found->second.bridged ? kBridgedWorker : kWorker);
}

const Cluster* find_cluster(const Snapshot& snapshot, std::string_view key) {
  if (const auto by_id = snapshot.clusters.find(key); by_id != snapshot.clusters.end()) return &by_id->second;
  const auto by_name =
      std::ranges::find_if(snapshot.clusters, [&](const auto& entry) { return entry.second.name == key; });
  return by_name == snapshot.clusters.end() ? nullptr : &by_name->second;
}

}  // namespace portolan::directory
