// Peering groups of an apply. They are planned last: their lists name resources and groups that it makes.
#include <algorithm>

#include "base/id.h"
#include "control/apply_planner.h"
#include "control/peering_groups.h"

namespace portolan::control {
namespace {

void insert(std::vector<std::string>& ids, const std::string& id) {
  const auto at = std::ranges::lower_bound(ids, id);
  if (at == ids.end() || *at != id) ids.insert(at, id);
}

}  // namespace

void Planner::prune_peering_groups() {
  if (!request_.peering_groups) return;
  std::unordered_set<std::string_view> names;
  for (const auto& group : *request_.peering_groups) names.insert(group.name);
  for (const auto& [id, group] : snapshot_.peering_groups) {
    if (names.contains(group.name)) continue;
    gone_.insert(id);
    groups_.erase(group.name);
    remove(group, "peering_group", group.name);
  }
}

// With the names of its members in the place of their ids.
PeeringGroup Planner::named(PeeringGroup group) const {
  const auto replace = [](std::vector<std::string>& ids, const auto& name_of) {
    for (auto& id : ids) id = name_of(id);
    std::ranges::sort(ids);
  };
  replace(group.nodes, [&](const std::string& id) {
    const auto found = snapshot_.nodes.find(id);
    return found == snapshot_.nodes.end() ? id : found->second.name;
  });
  replace(group.resources, [&](const std::string& id) {
    const auto found = snapshot_.resources.find(id);
    if (found != snapshot_.resources.end()) return found->second.name;
    const auto made = resource_names_.find(id);
    return made == resource_names_.end() ? id : made->second;
  });
  replace(group.peers, [&](const std::string& id) {
    const auto found = snapshot_.peering_groups.find(id);
    if (found != snapshot_.peering_groups.end()) return found->second.name;
    const auto made = std::ranges::find_if(groups_, [&](const auto& entry) { return entry.second.id == id; });
    return made == groups_.end() ? id : made->first;
  });
  return group;
}

// All but its peers.
Result<PeeringGroup> Planner::group_for(const api::ApplyPeeringGroup& asked) const {
  PL_CHECK(check_group_name(asked.name));
  const auto found = groups_.find(asked.name);
  PeeringGroup group = found == groups_.end()
                           ? PeeringGroup{.id = make_id("pg"), .name = asked.name, .created = context_.now}
                           : found->second;
  if (asked.nodes) {
    PL_TRY(group.nodes, node_ids(snapshot_, "nodes", *asked.nodes));
  }
  if (asked.resources) {
    group.resources.clear();
    for (const auto& name : *asked.resources) {
      const auto resource = resource_ids_.find(name);
      if (resource == resource_ids_.end())
        return fail(Code::kInvalid,
                    "resources: there is no resource " + quoted(name) + ", neither here nor in the directory");
      insert(group.resources, resource->second);
    }
  }
  return group;
}

// Peers go both ways. A group whose list is given loses all others; then each that is listed gets it as its peer.
bool Planner::join_peers(const std::vector<api::ApplyPeeringGroup>& groups) {
  std::unordered_map<std::string_view, const api::ApplyPeeringGroup*> listing;
  for (const auto& asked : groups) {
    if (!asked.peers) continue;
    listing[asked.name] = &asked;
    auto& group = groups_.at(asked.name);
    for (auto& [name, other] : groups_) std::erase(other.peers, group.id);
    group.peers.clear();
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].peers) continue;
    const std::string entry = "peering_groups[" + std::to_string(i) + "] " + quoted(groups[i].name);
    auto& group = groups_.at(groups[i].name);
    for (const auto& name : *groups[i].peers) {
      const auto other = groups_.find(name);
      std::string wrong_with;
      if (other == groups_.end()) {
        wrong_with = "peers: there is no peering group " + quoted(name) + ", neither here nor in the directory";
      } else if (other->second.id == group.id) {
        wrong_with = "peers: a group's own nodes may be linked anyway; leave it out";
      } else if (const auto lists = listing.find(name);
                 lists != listing.end() &&
                 std::ranges::find(*lists->second->peers, groups[i].name) == lists->second->peers->end()) {
        wrong_with = "peers: " + quoted(name) + " does not list it; peers are so both ways";
      }
      if (!wrong_with.empty()) {
        if (!wrong(entry, std::move(wrong_with))) return false;
        continue;
      }
      insert(group.peers, other->second.id);
      insert(other->second.peers, group.id);
    }
  }
  return errors_.empty();
}

void Planner::plan_peering_groups(const std::vector<api::ApplyPeeringGroup>& groups) {
  for (const auto& [name, id] : resource_ids_) resource_names_[id] = name;
  // What goes leaves its groups by itself, before these are written.
  const auto is_gone = [&](const std::string& id) { return gone_.contains(id); };
  for (auto& [name, group] : groups_) {
    std::erase_if(group.resources, is_gone);
    std::erase_if(group.peers, is_gone);
  }
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string entry = "peering_groups[" + std::to_string(i) + "] " + quoted(groups[i].name);
    auto group = seen.insert(groups[i].name).second
                     ? group_for(groups[i])
                     : Result<PeeringGroup>(fail(Code::kInvalid, "name: is there twice"));
    if (!group) {
      if (!wrong(entry, group.error())) return;
      continue;
    }
    groups_[groups[i].name] = std::move(*group);
  }
  if (!errors_.empty() || !join_peers(groups)) return;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto& group = groups_.at(groups[i].name);
    const auto before = snapshot_.peering_groups.find(group.id);
    put<PeeringGroup>("peering_groups[" + std::to_string(i) + "] " + quoted(group.name),
                      before == snapshot_.peering_groups.end() ? nullptr : &before->second, group,
                      {{}, "peering_group", group.name, {}, {}});
  }
  // Those that are not named, and have got or lost a peer.
  for (const auto& [name, group] : groups_) {
    if (seen.contains(name)) continue;
    const auto& before = snapshot_.peering_groups.find(group.id)->second;
    auto left = before.peers;
    std::erase_if(left, is_gone);
    if (group.peers != left)
      put<PeeringGroup>("peering group " + quoted(name), &before, group, {{}, "peering_group", name, {}, {}});
  }
}

}  // namespace portolan::control
