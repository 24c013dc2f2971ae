#include "control/agent_views.h"

#include <algorithm>
#include <set>

#include "directory/placement.h"
#include "protocols/driver.h"
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
  std::vector<api::AgentCluster> clusters;
};
BOOST_DESCRIBE_STRUCT(Rest, (), (account, email, sign_in_ends, gateways, egresses, clusters))

// Workers behind one address are one egress, whichever of them answers there. Inner workers are reached by the bridge
// workers, who are one gateway.
void add_egress(const directory::Snapshot& snapshot, const directory::Node& node, api::AgentResource& told,
                AgentEntry& entry) {
  if (node.kind != directory::kWorker) {
    told.egress.push_back(node.id);
    auto& egress = entry.egresses.emplace_back(api::AgentEgress{node.id, node.name});
    if (node.cluster.empty()) return;
    egress.ways = std::vector{api::EgressWay{node.cluster, {}, 1}};
  } else {
    if (told.health && told.health->egress == node.id) told.health->egress = node.cluster;
    if (entry.clusters.contains(node.cluster)) return;
    const auto cluster = snapshot.clusters.find(node.cluster);
    told.egress.push_back(node.cluster);
    entry.egresses.push_back({node.cluster, cluster == snapshot.clusters.end() ? node.cluster : cluster->second.name});
  }
  entry.clusters.insert(node.cluster);
}

// None for what is no web resource, and for settings that this build cannot read: the agent still knows the resource
// by its port.
std::optional<std::vector<api::AgentWebHost>> web_of(const directory::Resource& resource) {
  const auto* protocol = protocols::find_protocol(resource.type);
  if (!protocol || !protocol->web_hosts) return std::nullopt;
  const auto addresses = protocols::hosts_of(resource.host, resource.port, resource.settings);
  if (!addresses) return std::nullopt;
  const auto hosts = protocol->web_hosts(protocols::own_settings(resource.settings), *addresses);
  if (!hosts) return std::nullopt;
  std::vector<api::AgentWebHost> out;
  for (const auto& host : *hosts) out.push_back({host.label, host.origin});
  return out;
}

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
  refresh(snapshot, usable);
  std::map<std::string_view, const api::AgentEgress*> egresses;
  std::size_t size = 2;
  for (const auto& each : usable.entries) size += each->text.size() + 1;
  std::string resources = "[";
  resources.reserve(size);
  std::set<std::string_view> clusters;
  for (const auto& each : usable.entries) {
    clusters.insert(each->clusters.begin(), each->clusters.end());
    for (const auto& egress : each->egresses) egresses.emplace(egress.id, &egress);
    if (resources.size() > 1) resources += ',';
    resources += each->text;
  }
  resources += ']';
  Rest rest{caller.account,
            snapshot.accounts.find(caller.account)->second.email,
            snapshot.sign_ins.find(caller.sign_in)->second.ends,
            gateways(snapshot),
            {},
            {}};
  for (const auto& [id, egress] : egresses) {
    rest.egresses.push_back(*egress);
    // They change more often than what is kept, but for a worker's: its cluster.
    if (!egress->ways) rest.egresses.back().ways = routing_.ways(egress->id);
  }
  for (const auto& id : clusters)
    if (const auto found = snapshot.clusters.find(id); found != snapshot.clusters.end())
      rest.clusters.push_back({found->second.id, found->second.name, found->second.address, found->second.bridged});
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
  if (!steps || !unhealthy) return forget_all();
  for (const auto& step : *steps) {
    if (step->empty()) return forget_all();  // it was not noted what
    for (const auto& touched : *step) {
      if (touched.table == std::string_view(store::kKind<directory::Node>.table) ||
          touched.table == std::string_view(store::kKind<directory::Cluster>.table) ||
          touched.table == std::string_view(store::kKind<directory::PeeringGroup>.table))
        return forget_all();
      if (touched.table == std::string_view(store::kKind<directory::Resource>.table)) forget(touched.id);
    }
  }
  for (const auto& resource : *unhealthy) forget(resource);
}

void AgentViews::forget(const std::string& resource) {
  const auto found = entries_.find(resource);
  if (found == entries_.end()) return;
  found->second->stale = true;
  entries_.erase(found);
}

void AgentViews::forget_all() {
  for (const auto& [id, entry] : entries_) entry->stale = true;
  entries_.clear();
}

void AgentViews::refresh(const directory::Snapshot& snapshot, UsableResources& usable) {
  bool changed = false;
  for (auto& each : usable.entries)
    if (each->stale) {
      each = entry(snapshot, each->id);
      changed = true;
    }
  if (!changed) return;
  std::erase(usable.entries, nullptr);
  std::ranges::sort(usable.entries, {}, [](const EntryPtr& entry) { return std::string_view(entry->name); });
}

AgentViews::EntryPtr AgentViews::entry(const directory::Snapshot& snapshot, const std::string& id) {
  const auto known = entries_.find(id);
  if (known != entries_.end()) return known->second;
  const auto found = snapshot.resources.find(id);
  if (found == snapshot.resources.end()) return nullptr;
  const directory::Resource& resource = found->second;
  auto nodes = directory::egress_nodes(snapshot, resource);
  health_.best_first(resource.id, nodes);
  api::AgentResource told{resource.id, resource.name, resource.type, resource.local_port, {}};
  told.health = health_.for_agents(snapshot, resource, nodes);
  told.web = web_of(resource);
  auto made = std::make_shared<AgentEntry>();
  made->id = id;
  made->name = resource.name;
  for (const auto* node : nodes) add_egress(snapshot, *node, told, *made);
  made->text = json::encode(told);
  entries_[id] = made;
  return made;
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

void AgentViews::find_usable(const Lookup& lookup, const std::string& account, UsableResources& usable) {
  const auto& snapshot = lookup.snapshot();
  if (!still_usable(snapshot, usable)) {
    usable.found = core_.now();
    usable.until.reset();
    usable.ids.clear();
    usable.entries.clear();
    for (const auto* resource :
         directory::usable_resources(snapshot, account, usable.found, &lookup.access(), &usable.until)) {
      usable.ids.push_back(resource->id);
      usable.entries.push_back(entry(snapshot, resource->id));
    }
  }
  usable.epoch = snapshot.epoch;
  usable.revision = snapshot.revision;
}

// Those that serve first, else by name.
std::vector<api::AgentGateway> AgentViews::gateways(const directory::Snapshot& snapshot) const {
  std::vector<const directory::Node*> nodes;
  for (const auto& [id, node] : snapshot.nodes)
    if (!node.revoked && node.kind == "gateway") nodes.push_back(&node);
  std::ranges::sort(nodes, {}, [&](const directory::Node* node) {
    return std::pair(!presence_.serves(node->id), std::string_view(node->name));
  });
  std::vector<api::AgentGateway> out;
  for (const auto* node : nodes) {
    const auto* seen = presence_.find(node->id);
    out.push_back({node->id, node->name, node->address, seen ? seen->web_address : std::nullopt});
  }
  return out;
}

}  // namespace portolan::control
