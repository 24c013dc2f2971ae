#include "directory/peering.h"

#include <algorithm>

namespace portolan::directory {

bool has_node(const PeeringGroup& group, std::string_view node) {
  return std::ranges::binary_search(group.nodes, node, std::less<>());
}

std::vector<const PeeringGroup*> groups_of_resource(const Snapshot& snapshot, std::string_view resource) {
  std::vector<const PeeringGroup*> groups;
  for (const auto& [id, group] : snapshot.peering_groups)
    if (std::ranges::binary_search(group.resources, resource, std::less<>())) groups.push_back(&group);
  return groups;
}

Peering::Peering(const Snapshot& snapshot) {
  for (const auto& [id, group] : snapshot.peering_groups) {
    for (const auto& node : group.nodes) groups_[node].insert(id);
    peers_[id].insert(id);
    for (const auto& peer : group.peers) {
      peers_[id].insert(peer);
      peers_[peer].insert(id);
    }
  }
}

bool Peering::may_link(std::string_view a, std::string_view b) const {
  const auto of_a = groups_.find(a);
  const auto of_b = groups_.find(b);
  if (of_a == groups_.end() || of_b == groups_.end()) return true;
  return std::ranges::any_of(of_a->second, [&](const std::string& group) {
    const auto peers = peers_.find(group);
    return std::ranges::any_of(of_b->second, [&](const std::string& other) { return peers->second.contains(other); });
  });
}

}  // namespace portolan::directory
