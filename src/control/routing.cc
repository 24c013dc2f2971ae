#include "control/routing.h"

#include <algorithm>
#include <utility>

#include "directory/egress.h"
#include "directory/peering.h"
#include "store/kinds.h"

namespace portolan::control {
namespace {

constexpr std::chrono::milliseconds kPause = std::chrono::seconds(1);    // between two plans
constexpr std::chrono::milliseconds kSettle = std::chrono::seconds(20);  // nodes come back, and report every 9 s

bool of_egress(std::string_view table) {
  return table == store::kKind<directory::Node>.table || table == store::kKind<directory::Resource>.table ||
         table == store::kKind<directory::PeeringGroup>.table;
}

}  // namespace

Routing::Routing(Core& core, const Presence& presence, std::function<void(const Changed&)> on_change)
    : core_(core),
      presence_(presence),
      on_change_(std::move(on_change)),
      started_(core.options.clock.boot()),
      timer_(core.executor) {
  core.hub.on_change([this] { touch(); });
}

void Routing::touch() {
  if (stopped_) return;
  const BootTime now = core_.options.clock.boot();
  if (!last_ || now - *last_ >= kPause) return run();
  if (!std::exchange(pending_, true)) schedule(std::chrono::ceil<std::chrono::milliseconds>(*last_ + kPause - now));
}

void Routing::schedule(std::chrono::milliseconds after) {
  timer_.schedule(after, [this] { run(); });
}

void Routing::run() {
  if (stopped_) return;
  pending_ = false;
  const BootTime now = core_.options.clock.boot();
  last_ = now;
  const auto lookup = core_.lookup();
  follow_directory(lookup->snapshot());
  take_nodes(lookup->snapshot());
  if (!known_) take_dials();
  auto plan = directory::plan_routes(topology_, plan_, now);
  const bool learnt = !known_ && learn(now);
  const Changed changed{learnt || plan.dial != plan_.dial || plan.next != plan_.next,
                        learnt || plan.ways != plan_.ways || plan.order != plan_.order,
                        learnt || plan.order != plan_.order};
  plan_ = std::move(plan);
  if (changed.order) {
    places_.clear();
    for (std::size_t i = 0; i < plan_.order.size(); ++i) places_.emplace(plan_.order[i], i);
  }
  auto next = plan_.look_again;
  if (!known_) next = std::min(next.value_or(started_ + kSettle), started_ + kSettle);
  timer_.cancel();
  if (next) schedule(std::max(kPause, std::chrono::ceil<std::chrono::milliseconds>(*next - now)));
  if (known_ && (changed.nodes || changed.ways)) on_change_(changed);
}

// Whether enough is known from now on.
bool Routing::learn(BootTime now) {
  known_ = now - started_ >= kSettle ||
           std::ranges::all_of(topology_.nodes, [](const auto& entry) { return entry.second.reported; });
  return known_;
}

// The gateways' links of before this control plane began are taken as what they were told.
void Routing::take_dials() {
  for (const auto& [pair, link] : topology_.links) {
    const auto to = topology_.nodes.find(pair.second);
    if (link.up && to != topology_.nodes.end() && to->second.gateway) plan_.dial[pair.first].insert(pair.second);
  }
}

// Which nodes are the egress of something, and to which of them every gateway shall have a way: to all relays, and to a
// gateway that serves what not all gateways serve.
void Routing::follow_directory(const directory::Snapshot& snapshot) {
  const auto steps = epoch_ == snapshot.epoch && revision_ <= snapshot.revision
                         ? core_.changes.since(revision_, snapshot.revision)
                         : std::nullopt;
  epoch_ = snapshot.epoch;
  revision_ = snapshot.revision;
  const bool same = steps && std::ranges::none_of(*steps, [](const Changes::Step& step) {
                      return step->empty() || std::ranges::any_of(*step, [](const store::Touched& touched) {
                               return of_egress(touched.table);
                             });
                    });
  if (same) return;
  const auto gateways = std::ranges::count_if(
      snapshot.nodes, [](const auto& entry) { return entry.second.kind == "gateway" && !entry.second.revoked; });
  topology_.egress.clear();
  topology_.sought.clear();
  forbid_links(snapshot);
  directory::EgressSets sets(snapshot);
  for (const auto& [id, resource] : snapshot.resources) {
    const auto* nodes = sets.of_new(resource);
    if (!nodes) continue;
    const auto among = std::ranges::count(*nodes, std::string_view("gateway"), &directory::Node::kind);
    for (const auto* node : *nodes) {
      if (node->kind != "relay" && node->kind != "gateway") continue;  // no gateway leads there
      topology_.egress.insert(node->id);
      if (node->kind == "relay" || among < gateways) topology_.sought.insert(node->id);
    }
  }
}

void Routing::forbid_links(const directory::Snapshot& snapshot) {
  topology_.forbidden.clear();
  const directory::Peering peering(snapshot);
  if (peering.empty()) return;
  for (const auto& [a, node] : snapshot.nodes)
    for (const auto& [b, other] : snapshot.nodes)
      if (a != b && node.kind == "gateway" && !peering.may_link(a, b)) topology_.forbidden.emplace(a, b);
}

void Routing::take_nodes(const directory::Snapshot& snapshot) {
  topology_.nodes.clear();
  topology_.links.clear();
  for (const auto& [id, node] : snapshot.nodes) {
    if (node.revoked) continue;
    const auto* state = presence_.find(id);
    topology_.nodes[id] = {node.kind == "gateway", presence_.serves(id), state && state->facts && !state->linking,
                           node.name};
  }
  // The word of who has dialled counts: a relay's, while it is there.
  for (const bool gateways : {false, true})
    for (const auto& [id, node] : topology_.nodes)
      if (const auto* state = presence_.find(id);
          state && state->facts && node.gateway == gateways && (gateways || presence_.up(id)))
        take_links(id, *state);
}

void Routing::take_links(const std::string& id, const Presence::State& state) {
  for (const auto& link : state.facts->links) {
    const auto other = topology_.nodes.find(link.node);
    if (other == topology_.nodes.end()) continue;
    const bool gateway = topology_.nodes.find(id)->second.gateway;
    const directory::Topology::Link is{link.state == "up", link.round_trip_us};
    if (!gateway && other->second.gateway) topology_.links[{link.node, id}] = is;
    const bool dialled = !link.address.empty();
    if (gateway && dialled == other->second.gateway) topology_.links.try_emplace({id, link.node}, is);
  }
}

void Routing::tell_gateway(const Lookup& lookup, const directory::Node& gateway, api::NodeView& view) const {
  if (!known_) return;
  auto& dial = view.dial.emplace();
  if (const auto found = plan_.dial.find(gateway.id); found != plan_.dial.end())
    for (const auto& id : found->second)
      if (const auto* node = lookup.node(id); node && !node->revoked)
        dial.push_back({node->id, node->name, node->kind, node->address});
  auto& hops = view.next_hops.emplace();
  if (const auto found = plan_.next.find(gateway.id); found != plan_.next.end())
    for (const auto& [egress, via] : found->second) hops.push_back({egress, via});
}

std::optional<std::vector<api::EgressWay>> Routing::ways(const std::string& egress) const {
  const auto found = plan_.ways.find(egress);
  if (!known_ || found == plan_.ways.end()) return std::nullopt;
  if (found->second.empty() && !has_reported(egress)) return std::nullopt;
  std::vector<api::EgressWay> out;
  for (const auto& [gateway, way] : found->second) out.push_back({gateway, way.round_trip_us, way.hops});
  return out;
}

bool Routing::has_reported(const std::string& node) const {
  const auto found = topology_.nodes.find(node);
  return found != topology_.nodes.end() && found->second.reported;
}

bool Routing::is_cut_off(const std::string& egress) const {
  const auto found = plan_.ways.find(egress);
  return known_ && found != plan_.ways.end() && found->second.empty() && has_reported(egress);
}

std::size_t Routing::place(const std::string& egress) const {
  const auto found = is_cut_off(egress) ? places_.end() : places_.find(egress);
  return known_ && found != places_.end() ? found->second : places_.size();
}

}  // namespace portolan::control
