// Egress nodes of many resources at once: most of ten thousand resources are bound to the same few sets of nodes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "directory/decision.h"

namespace portolan::directory {

// The sets of one snapshot, which outlives them; each worked out once (egress_nodes() in decision.h).
class EgressSets {
 public:
  using Nodes = std::vector<const Node*>;  // by name

  explicit EgressSets(const Snapshot& snapshot) : snapshot_(snapshot) {}
  // Until the sets end.
  const Nodes& of(const Resource& resource);
  // Null where a resource that was asked about before is bound alike.
  const Nodes* of_new(const Resource& resource);

 private:
  const Snapshot& snapshot_;
  std::map<std::string, Nodes> sets_;  // by how resources are bound
};

}  // namespace portolan::directory
