// Explicit routing (peering groups), and what ways there are, for admins.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"
#include "base/json.h"

namespace portolan::api {

// ---- /v1/peering-groups ----
// Lists hold ids, in their order; the names beside them are in the same order.
struct PeeringGroupView {
  std::string id;
  std::string name;
  std::vector<std::string> nodes = {};
  std::vector<std::string> resources = {};
  std::vector<std::string> peers = {};  // groups whose nodes may be linked with those of this one
  std::vector<std::string> node_names = {};
  std::vector<std::string> resource_names = {};
  std::vector<std::string> peer_names = {};
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(PeeringGroupView, (),
                      (id, name, nodes, resources, peers, node_names, resource_names, peer_names, created, revision))
// Members are named by id or name.
struct PeeringGroupCreate {
  std::string name;
  std::optional<std::vector<std::string>> nodes = {};
  std::optional<std::vector<std::string>> resources = {};
  std::optional<std::vector<std::string>> peers = {};
};
BOOST_DESCRIBE_STRUCT(PeeringGroupCreate, (), (name, nodes, resources, peers))
// Of each list all, in the place of those before.
struct PeeringGroupUpdate {
  std::optional<std::string> name = {};
  std::optional<std::vector<std::string>> nodes = {};
  std::optional<std::vector<std::string>> resources = {};
  std::optional<std::vector<std::string>> peers = {};
};
BOOST_DESCRIBE_STRUCT(PeeringGroupUpdate, (), (name, nodes, resources, peers))

// ---- GET /v1/resources/{resource}/route ----
// A node that might be the egress. `code`: "ok", or why it is not taken: "not_named", "peering_group", "egress_filter",
// "relay_preferred", "revoked", "down", "leaving", "no_way" (no gateway has a link to it), "unhealthy" (it does not
// reach the resource), "slower", "unknown" (nothing is known of its links yet).
struct RouteCandidate {
  std::string node;
  std::string name;
  std::string kind;
  bool may = false;  // be the egress, by the directory
  std::string code;
  std::string reason;                               // in words
  std::optional<std::uint64_t> round_trip_us = {};  // of the fastest way from a gateway
};
BOOST_DESCRIBE_STRUCT(RouteCandidate, (), (node, name, kind, may, code, reason, round_trip_us))

// A gateway by which people might go to the chosen egress. `code`: "ok", "down", "leaving", "no_way", "unknown".
struct RouteGateway {
  std::string node;
  std::string name;
  std::string address;
  std::string code;
  std::string reason;
  std::optional<std::uint64_t> round_trip_us = {};  // from it on to the egress
  std::optional<std::uint32_t> hops = {};           // links
  std::vector<std::string> via = {};                // names of the nodes on the way, the egress among them
};
BOOST_DESCRIBE_STRUCT(RouteGateway, (), (node, name, address, code, reason, round_trip_us, hops, via))

struct RouteView {
  std::string resource;
  std::string resource_name;
  std::vector<std::string> peering_groups = {};  // names of those that the resource is in
  std::string egress_filter;
  std::optional<std::string> account = {};      // e-mail address, if one was asked about
  std::optional<bool> allowed = {};             // whether it may use the resource
  std::vector<std::string> reasons = {};        // the chain, or why not
  std::optional<std::string> egress = {};       // the name of the node that new sessions go to; absent: none
  std::optional<std::string> problem = {};      // why there is no way
  std::vector<RouteCandidate> candidates = {};  // in the order in which they are tried, then those that may not
  std::vector<RouteGateway> gateways = {};      // to that egress, the shortest way first
};
BOOST_DESCRIBE_STRUCT(RouteView, (),
                      (resource, resource_name, peering_groups, egress_filter, account, allowed, reasons, egress,
                       problem, candidates, gateways))

}  // namespace portolan::api
