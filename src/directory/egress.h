// Which nodes may be the egress of a resource, and which may not and why; and the same for many resources at once, most
// of which are bound to the same few sets of nodes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "directory/decision.h"

namespace portolan::directory {

enum class EgressVerdict {
  kMay,
  kRevoked,
  kNotNamed,  // the resource names others
  kGroup,     // it is in none of the resource's peering groups
  kFilter,    // the egress filter does not admit it
  kSpared,    // a gateway, where there is a relay and no node is named
};
struct EgressCandidate {
  const Node* node = nullptr;
  EgressVerdict verdict = EgressVerdict::kMay;
};
// Every node that is not revoked, and revoked ones that the resource names; by name.
std::vector<EgressCandidate> egress_candidates(const Snapshot& snapshot, const Resource& resource);
// Of one node alone.
EgressVerdict egress_verdict(const Snapshot& snapshot, const Resource& resource, const Node& node);
// Why this node may not be its egress: "it is in none of the resource's peering groups (a, b)".
std::string explain(const Snapshot& snapshot, const Resource& resource, const EgressCandidate& candidate);
// Why no node may, in words that say what to do; empty: some may.
std::string why_no_egress(const Snapshot& snapshot, const Resource& resource);

// The sets of one snapshot, which outlives them; each worked out once (egress_nodes() in decision.h).
class EgressSets {
 public:
  using Nodes = std::vector<const Node*>;  // by name

  explicit EgressSets(const Snapshot& snapshot);
  // Until the sets end.
  const Nodes& of(const Resource& resource);
  // Null where a resource that was asked about before is bound alike.
  const Nodes* of_new(const Resource& resource);

 private:
  std::string bound_by(const Resource& resource) const;

  const Snapshot& snapshot_;
  std::map<std::string_view, std::string> groups_;  // ids, by resource
  std::map<std::string, Nodes> sets_;               // by how resources are bound
};

}  // namespace portolan::directory
