#include "directory/egress.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "directory/egress_filter.h"
#include "directory/peering.h"
#include "directory/placement.h"

namespace portolan::directory {
namespace {

std::string names_of(const std::vector<const PeeringGroup*>& groups) {
  std::string out;
  for (const auto* group : groups) out += (out.empty() ? "" : ", ") + quoted(group->name);
  return out;
}

// What a resource asks of its egress, read once.
class Rules {
 public:
  Rules(const Snapshot& snapshot, const Resource& resource)
      : snapshot_(snapshot), resource_(resource), groups_(groups_of_resource(snapshot, resource.id)) {
    if (auto filter = EgressFilter::parse(resource.egress_filter)) filter_ = std::move(*filter);
  }
  EgressVerdict of(const Node& node) const {
    if (node.revoked) return EgressVerdict::kRevoked;
    if (!may_be_named(node)) return EgressVerdict::kNotNamed;
    if (!groups_.empty() && std::ranges::none_of(groups_, [&](const auto* group) { return has_node(*group, node.id); }))
      return EgressVerdict::kGroup;
    // One that cannot be read, as of a newer version, admits nobody.
    return filter_ && filter_->admits(node) ? EgressVerdict::kMay : EgressVerdict::kFilter;
  }
  // By itself, or as a worker of a cluster that is named.
  bool names(const Node& node) const {
    const auto& named = resource_.egress_nodes;
    if (std::ranges::find(named, node.id) != named.end()) return true;
    const auto cluster = snapshot_.clusters.find(node.cluster);
    return cluster != snapshot_.clusters.end() && std::ranges::find(named, node.cluster) != named.end() &&
           node.kind == (cluster->second.bridged ? kBridgedWorker : kWorker);
  }

 private:
  bool may_be_named(const Node& node) const {
    if (!resource_.egress_nodes.empty()) return names(node);
    return node.kind == "relay" || node.kind == "gateway";
  }

  const Snapshot& snapshot_;
  const Resource& resource_;
  const std::vector<const PeeringGroup*> groups_;
  std::optional<EgressFilter> filter_;
};

}  // namespace

std::vector<EgressCandidate> egress_candidates(const Snapshot& snapshot, const Resource& resource) {
  const Rules rules(snapshot, resource);
  std::vector<EgressCandidate> all;
  bool relay = false;
  for (const auto& [id, node] : snapshot.nodes) {
    if (node.revoked && !rules.names(node)) continue;
    all.push_back({&node, rules.of(node)});
    relay = relay || (node.kind == "relay" && all.back().verdict == EgressVerdict::kMay);
  }
  // All of those that are named revoked means no way at all: falling back to others would be a way that nobody chose.
  if (resource.egress_nodes.empty() && relay)
    for (auto& each : all)
      if (each.verdict == EgressVerdict::kMay && each.node->kind != "relay") each.verdict = EgressVerdict::kSpared;
  std::ranges::sort(all, {}, [](const EgressCandidate& each) { return std::string_view(each.node->name); });
  return all;
}

EgressVerdict egress_verdict(const Snapshot& snapshot, const Resource& resource, const Node& node) {
  const Rules rules(snapshot, resource);
  const auto verdict = rules.of(node);
  if (verdict != EgressVerdict::kMay || !resource.egress_nodes.empty() || node.kind == "relay") return verdict;
  const bool relay = std::ranges::any_of(snapshot.nodes, [&](const auto& entry) {
    return entry.second.kind == "relay" && rules.of(entry.second) == EgressVerdict::kMay;
  });
  return relay ? EgressVerdict::kSpared : verdict;
}

std::string explain(const Snapshot& snapshot, const Resource& resource, const EgressCandidate& candidate) {
  switch (candidate.verdict) {
    case EgressVerdict::kMay: return "it may be the egress";
    case EgressVerdict::kRevoked: return "it was revoked";
    case EgressVerdict::kNotNamed:
      return resource.egress_nodes.empty() ? "workers serve only what names their cluster"
                                           : "the resource names other nodes as its egress";
    case EgressVerdict::kGroup:
      return "it is in none of the resource's peering groups (" + names_of(groups_of_resource(snapshot, resource.id)) +
             ")";
    case EgressVerdict::kFilter:
      return "the resource's egress filter (" + resource.egress_filter + ") does not admit it";
    case EgressVerdict::kSpared: return "gateways are the egress only where no relay may be, unless they are named";
  }
  return {};
}

std::string why_no_egress(const Snapshot& snapshot, const Resource& resource) {
  bool filtered = false;
  bool grouped = false;
  bool named = false;
  for (const auto& each : egress_candidates(snapshot, resource)) {
    if (each.verdict == EgressVerdict::kMay) return {};
    filtered = filtered || each.verdict == EgressVerdict::kFilter;
    grouped = grouped || each.verdict == EgressVerdict::kGroup;
    named = named || each.verdict == EgressVerdict::kRevoked;
  }
  if (filtered)
    return "its egress filter (" + resource.egress_filter +
           ") admits none of the nodes that may be its egress; an admin has to change it, or the nodes' tags";
  if (grouped)
    return "none of the nodes that may be its egress is in its peering groups (" +
           names_of(groups_of_resource(snapshot, resource.id)) + "); an admin has to put one there";
  if (named) return "the nodes that it names as its egress were revoked; an admin has to name others";
  if (!resource.egress_nodes.empty())
    return "the clusters that it names as its egress have no workers that reach resources; an admin has to add one";
  return "no relay or gateway serves it; an admin has to add one";
}

EgressSets::EgressSets(const Snapshot& snapshot) : snapshot_(snapshot) {
  for (const auto& [id, group] : snapshot.peering_groups)
    for (const auto& resource : group.resources) groups_[resource] += id + ' ';
}

// The same for resources that have the same egress nodes, whatever nodes there are.
std::string EgressSets::bound_by(const Resource& resource) const {
  std::string key;
  for (const auto& id : resource.egress_nodes) key += id + ' ';
  const auto groups = groups_.find(resource.id);
  if (groups != groups_.end()) key += '\n' + groups->second;
  if (!resource.egress_filter.empty()) key += '\t' + resource.egress_filter;
  return key;
}

const EgressSets::Nodes& EgressSets::of(const Resource& resource) {
  const auto [at, is_new] = sets_.try_emplace(bound_by(resource));
  if (is_new) at->second = egress_nodes(snapshot_, resource);
  return at->second;
}

const EgressSets::Nodes* EgressSets::of_new(const Resource& resource) {
  const auto known = sets_.size();
  const Nodes& nodes = of(resource);
  return sets_.size() > known ? &nodes : nullptr;
}

}  // namespace portolan::directory
