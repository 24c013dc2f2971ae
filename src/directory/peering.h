// Peering groups: which nodes may have links with each other, and which resources they may serve. For who has none,
// nothing changes:
//   * a resource that is in groups has only nodes of these groups as its egress;
//   * two nodes that are both in groups may have a link only if they share one, or two of their groups are peers;
//   * nodes and resources that are in no group are where they were without any.
// A way is made of links, so it may lead over groups that are peers one by one.
#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "directory/decision.h"

namespace portolan::directory {

// In order of their ids.
std::vector<const PeeringGroup*> groups_of_resource(const Snapshot& snapshot, std::string_view resource);
bool has_node(const PeeringGroup& group, std::string_view node);

// Which nodes may have links, of one snapshot.
class Peering {
 public:
  explicit Peering(const Snapshot& snapshot);
  bool may_link(std::string_view a, std::string_view b) const;
  // Whether there are no groups at all.
  bool empty() const { return groups_.empty(); }

 private:
  using Ids = std::set<std::string, std::less<>>;
  std::map<std::string, Ids, std::less<>> groups_;  // by node
  std::map<std::string, Ids, std::less<>> peers_;   // by group, itself among them
};

}  // namespace portolan::directory
