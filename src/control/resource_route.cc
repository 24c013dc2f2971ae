#include "control/resource_route.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "api/routing.h"
#include "control/listing.h"
#include "directory/egress.h"
#include "directory/peering.h"

namespace portolan::control {
namespace {

using directory::EgressVerdict;

std::string code_of(EgressVerdict verdict) {
  switch (verdict) {
    case EgressVerdict::kMay: break;
    case EgressVerdict::kRevoked: return "revoked";
    case EgressVerdict::kNotNamed: return "not_named";
    case EgressVerdict::kGroup: return "peering_group";
    case EgressVerdict::kFilter: return "egress_filter";
    case EgressVerdict::kSpared: return "relay_preferred";
  }
  return "ok";
}

struct Finding {
  std::string code;
  std::string reason;
};

class Explainer {
 public:
  Explainer(const Lookup& lookup, const directory::Resource& resource, const Routing& routing, const Presence& presence,
            const Health& health)
      : lookup_(lookup),
        snapshot_(lookup.snapshot()),
        resource_(resource),
        routing_(routing),
        presence_(presence),
        health_(health),
        peering_(snapshot_) {}

  api::RouteView run() {
    api::RouteView view;
    view.resource = resource_.id;
    view.resource_name = resource_.name;
    view.egress_filter = resource_.egress_filter;
    for (const auto* group : directory::groups_of_resource(snapshot_, resource_.id))
      view.peering_groups.push_back(group->name);
    auto all = directory::egress_candidates(snapshot_, resource_);
    std::vector<const directory::Node*> may;
    for (const auto& each : all)
      if (each.verdict == EgressVerdict::kMay) may.push_back(each.node);
    health_.best_first(resource_.id, may);
    const directory::Node* chosen = nullptr;
    for (const auto* node : may) {
      Finding found = of_candidate(*node, chosen);
      if (found.code == "ok") chosen = node;
      view.candidates.push_back(candidate(*node, true, std::move(found)));
    }
    for (const auto& each : all)
      if (each.verdict != EgressVerdict::kMay)
        view.candidates.push_back(
            candidate(*each.node, false, {code_of(each.verdict), directory::explain(snapshot_, resource_, each)}));
    // Of one that cannot be used the gateways say why.
    const directory::Node* shown = chosen ? chosen : may.empty() ? nullptr : may.front();
    if (shown) add_gateways(*shown, view);
    if (chosen) view.egress = chosen->name;
    view.problem = problem(view, chosen, may);
    return view;
  }

 private:
  std::optional<Finding> absence(const directory::Node& node) const {
    if (!presence_.up(node.id)) {
      const std::string trouble = presence_.trouble(node, lookup_);
      return Finding{"down", trouble.empty() ? "it is down" : trouble};
    }
    if (!presence_.serves(node.id)) return Finding{"leaving", "it was told to stop, and takes no new sessions"};
    return std::nullopt;
  }

  // One that may be the egress. `chosen`: the one before it that is taken.
  Finding of_candidate(const directory::Node& node, const directory::Node* chosen) const {
    if (auto absent = absence(node)) return std::move(*absent);
    if (routing_.is_cut_off(node.id)) return {"no_way", "no gateway has a way to it"};
    const auto unhealthy = health_.why_unhealthy(resource_.id, node.id);
    if (!chosen)
      return {"ok", "new sessions go here" +
                        (unhealthy ? ", though it does not reach the resource: " + *unhealthy : std::string())};
    if (unhealthy) return {"unhealthy", "it does not reach the resource: " + *unhealthy};
    return {"slower", "it is next if " + quoted(chosen->name) + " does not answer: it is not clearly faster"};
  }

  api::RouteCandidate candidate(const directory::Node& node, bool may, Finding found) const {
    api::RouteCandidate out{node.id, node.name, node.kind, may, std::move(found.code), std::move(found.reason)};
    for (const auto& way : routing_.ways(node.id).value_or(std::vector<api::EgressWay>()))
      if (way.round_trip_us && (!out.round_trip_us || *way.round_trip_us < *out.round_trip_us))
        out.round_trip_us = way.round_trip_us;
    return out;
  }

  Finding of_gateway(const directory::Node& gateway, const directory::Node& egress,
                     const directory::PlannedWay* way) const {
    if (auto absent = absence(gateway)) return std::move(*absent);
    if (way && way->hops == 0) return {"ok", "it is the egress itself"};
    if (way) return {"ok", way->hops == 1 ? "it has a link with the egress" : "it goes by other gateways"};
    if (!routing_.known()) return {"unknown", "the nodes have not reported their links yet"};
    if (!routing_.has_reported(egress.id))
      return {"unknown", quoted(egress.name) + " has just begun, and its links are not known yet"};
    if (!peering_.may_link(gateway.id, egress.id))
      return {"peering_group", "its peering groups and those of " + quoted(egress.name) +
                                   " are no peers, and no gateway between them is a peer of both"};
    return {"no_way", "it has no link with " + quoted(egress.name) + ", nor with a gateway that has a way to it"};
  }

  void add_gateways(const directory::Node& egress, api::RouteView& view) const {
    if (egress.kind != "relay" && egress.kind != "gateway") return;
    const auto ways = routing_.known() ? routing_.plan().ways.find(egress.id) : routing_.plan().ways.end();
    for (const auto& [id, node] : snapshot_.nodes) {
      if (node.kind != "gateway" || node.revoked) continue;
      const directory::PlannedWay* way = nullptr;
      if (ways != routing_.plan().ways.end())
        if (const auto found = ways->second.find(id); found != ways->second.end()) way = &found->second;
      Finding found = of_gateway(node, egress, way);
      api::RouteGateway out{id, node.name, node.address, std::move(found.code), std::move(found.reason)};
      if (way) {
        out.round_trip_us = way->round_trip_us;
        out.hops = way->hops;
        out.via = hops(id, egress);
      }
      view.gateways.push_back(std::move(out));
    }
    std::ranges::sort(view.gateways, {}, [](const api::RouteGateway& each) {
      constexpr auto kLast = std::numeric_limits<std::uint64_t>::max();
      return std::tuple(each.code != "ok", each.round_trip_us.value_or(kLast), each.hops.value_or(0), each.name);
    });
  }

  // The names of the nodes after this gateway, by the best next hops.
  std::vector<std::string> hops(std::string at, const directory::Node& egress) const {
    std::vector<std::string> out;
    for (std::uint32_t i = 0; i < directory::kMostLinks && at != egress.id; ++i) {
      const auto next = routing_.plan().next.find(at);
      const auto* by = next == routing_.plan().next.end() || !next->second.contains(egress.id)
                           ? nullptr
                           : &next->second.at(egress.id);
      at = by ? by->front() : egress.id;
      const auto* node = lookup_.node(at);
      out.push_back(node ? node->name : at);
    }
    return out;
  }

  std::optional<std::string> problem(const api::RouteView& view, const directory::Node* chosen,
                                     const std::vector<const directory::Node*>& may) const {
    if (may.empty()) return directory::why_no_egress(snapshot_, resource_);
    if (chosen) {
      const bool listens = std::ranges::any_of(view.gateways, [](const auto& each) { return each.code != "down"; });
      if (chosen->kind == "relay" && !listens) return "no gateway is up: people cannot reach " + quoted(chosen->name);
      return std::nullopt;
    }
    const bool all_apart =
        std::ranges::any_of(view.candidates, [](const auto& each) { return each.code == "no_way"; }) &&
        std::ranges::any_of(view.gateways, [](const auto& each) { return each.code == "peering_group"; });
    if (all_apart)
      return "no gateway may be linked with the nodes that may be its egress: add a gateway to their peering groups, "
             "or make groups peers (portolan admin peering-groups list)";
    return "none of the nodes that may be its egress can be used now; see why beside each";
  }

  const Lookup& lookup_;
  const directory::Snapshot& snapshot_;
  const directory::Resource& resource_;
  const Routing& routing_;
  const Presence& presence_;
  const Health& health_;
  const directory::Peering peering_;
};

Answer show(const Exchange& exchange, const Routing& routing, const Presence& presence, const Health& health) {
  const auto& request = exchange.call.request;
  PL_CHECK(check_parameters(request, {"account"}));
  const auto& lookup = *exchange.lookup;
  PL_TRY(const auto resource, existing(lookup.resource(exchange.argument()), "resource", exchange.argument()));
  auto view = Explainer(lookup, resource, routing, presence, health).run();
  if (const auto key = request.parameter("account")) {
    PL_TRY(const auto account, existing(lookup.account(*key), "account", *key));
    auto decision = directory::allow(lookup.snapshot(), account.id, resource.id, exchange.now, &lookup.access());
    view.account = account.email;
    view.allowed = decision.allowed;
    view.reasons = std::move(decision.reasons);
  }
  return ok(view);
}

}  // namespace

void add_resource_route(Routes& routes, const Routing& routing, const Presence& presence, const Health& health) {
  routes.add_at_once("GET /v1/resources/{resource}/route",
                     [&](const Exchange& exchange) { return show(exchange, routing, presence, health); });
}

}  // namespace portolan::control
