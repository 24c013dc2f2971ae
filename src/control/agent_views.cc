#include "control/agent_views.h"

#include <algorithm>
#include <set>

#include "store/kinds.h"

namespace portolan::control {
namespace {

// Whether a change of these tables may change who may use what.
bool of_access(std::string_view table) {
  return table == store::kKind<directory::Membership>.table || table == store::kKind<directory::Grant>.table ||
         table == store::kKind<directory::Role>.table || table == store::kKind<directory::Account>.table;
}

// The members that do not come from entries.
struct Rest {
  std::string account;
  std::string email;
  WallTime sign_in_ends{};
  std::vector<api::AgentGateway> gateways;
  std::vector<api::AgentEgress> egresses;
};
BOOST_DESCRIBE_STRUCT(Rest, (), (account, email, sign_in_ends, gateways, egresses))

}  // namespace

std::string with_member(std::string object, std::string_view name, std::string_view value) {
  object.reserve(object.size() + name.size() + value.size() + 4);
  object.pop_back();  // its closing brace
  object += object.size() > 1 ? ",\"" : "\"";
  object += name;
  object += "\":";
  object += value;
  object += '}';
  return object;
}

std::string AgentViews::text(const Lookup& lookup, const Caller& caller, UsableResources& usable) {
  const auto& snapshot = lookup.snapshot();
  forget_changed(snapshot);
  find_usable(lookup, caller.account, usable);
  std::vector<const Entry*> entries;
  entries.reserve(usable.ids.size());
  for (const auto& id : usable.ids)
    if (const auto* known = entry(snapshot, id)) entries.push_back(known);
  std::ranges::sort(entries, {}, [](const Entry* entry) { return std::string_view(entry->name); });

  std::map<std::string_view, const api::AgentEgress*> egresses;
  std::size_t size = 2;
  for (const auto* each : entries) size += each->text.size() + 1;
  std::string resources = "[";
  resources.reserve(size);
  for (const auto* each : entries) {
    for (const auto& egress : each->egresses) egresses.emplace(egress.id, &egress);
    if (resources.size() > 1) resources += ',';
    resources += each->text;
  }
  resources += ']';
  Rest rest{caller.account,
            snapshot.accounts.find(caller.account)->second.email,
            snapshot.sign_ins.find(caller.sign_in)->second.ends,
            gateways(snapshot),
            {}};
  for (const auto& [id, egress] : egresses) rest.egresses.push_back(*egress);
  return with_member(json::encode(rest), "resources", resources);
}

void AgentViews::forget_changed(const directory::Snapshot& snapshot) {
  const auto steps = epoch_ == snapshot.epoch && revision_ <= snapshot.revision
                         ? core_.changes.since(revision_, snapshot.revision)
                         : std::nullopt;
  const auto unhealthy = health_.changed_since(told_);
  epoch_ = snapshot.epoch;
  revision_ = snapshot.revision;
  told_ = health_.told();
  if (!steps || !unhealthy) return entries_.clear();
  for (const auto& step : *steps) {
    if (step->empty()) return entries_.clear();  // it was not noted what
    for (const auto& touched : *step) {
      if (touched.table == std::string_view(store::kKind<directory::Node>.table)) return entries_.clear();
      if (touched.table == std::string_view(store::kKind<directory::Resource>.table)) entries_.erase(touched.id);
    }
  }
  for (const auto& resource : *unhealthy) entries_.erase(resource);
}

const AgentViews::Entry* AgentViews::entry(const directory::Snapshot& snapshot, const std::string& id) {
  const auto known = entries_.find(id);
  if (known != entries_.end()) return &known->second;
  const auto found = snapshot.resources.find(id);
  if (found == snapshot.resources.end()) return nullptr;
  const directory::Resource& resource = found->second;
  auto nodes = directory::egress_nodes(snapshot, resource);
  health_.best_first(resource.id, nodes);
  api::AgentResource told{resource.id, resource.name, resource.type, resource.local_port, {}};
  told.health = health_.for_agents(resource.id, nodes);
  Entry& made = entries_[id];
  made.name = resource.name;
  for (const auto* node : nodes) {
    told.egress.push_back(node->id);
    made.egresses.push_back({node->id, node->name});
  }
  made.text = json::encode(told);
  return &made;
}

bool AgentViews::still_usable(const directory::Snapshot& snapshot, const UsableResources& usable) const {
  const WallTime now = core_.now();
  if (usable.epoch != snapshot.epoch || now < usable.found || (usable.until && *usable.until <= now)) return false;
  const auto steps =
      usable.revision <= snapshot.revision ? core_.changes.since(usable.revision, snapshot.revision) : std::nullopt;
  if (!steps) return false;
  return std::ranges::none_of(*steps, [](const Changes::Step& step) {
    return step->empty() ||
           std::ranges::any_of(*step, [](const store::Touched& touched) { return of_access(touched.table); });
  });
}

void AgentViews::find_usable(const Lookup& lookup, const std::string& account, UsableResources& usable) const {
  const auto& snapshot = lookup.snapshot();
  if (!still_usable(snapshot, usable)) {
    usable.found = core_.now();
    usable.until.reset();
    usable.ids.clear();
    for (const auto* resource :
         directory::usable_resources(snapshot, account, usable.found, &lookup.access(), &usable.until))
      usable.ids.push_back(resource->id);
  }
  usable.epoch = snapshot.epoch;
  usable.revision = snapshot.revision;
}

// Those that are up first, else by name.
std::vector<api::AgentGateway> AgentViews::gateways(const directory::Snapshot& snapshot) const {
  std::vector<const directory::Node*> nodes;
  for (const auto& [id, node] : snapshot.nodes)
    if (!node.revoked && node.kind == "gateway") nodes.push_back(&node);
  std::ranges::sort(nodes, {}, [&](const directory::Node* node) {
    return std::pair(!presence_.up(node->id), std::string_view(node->name));
  });
  std::vector<api::AgentGateway> out;
  for (const auto* node : nodes) out.push_back({node->id, node->name, node->address});
  return out;
}

}  // namespace portolan::control
