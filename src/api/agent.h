// What a client is told: the resources its account may use and the way to them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/keys.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

// ---- what the agent may reach: GET /v1/agent?watch=1 (internal name, user certificate) ----
struct AgentGateway {
  std::string id;
  std::string name;
  std::string address;                          // host:port
  std::optional<std::string> web_address = {};  // host:port of links over WebSocket, where it takes them
};
BOOST_DESCRIBE_STRUCT(AgentGateway, (), (id, name, address, web_address))

// Whether the resource can be used just now, as the nodes' checks have it.
struct AgentHealth {
  std::string state;                  // "ok", "unreachable", "unknown"
  std::optional<std::string> reason;  // why not, in words
  std::optional<std::string> egress;  // the node that reaches it
};
BOOST_DESCRIBE_STRUCT(AgentHealth, (), (state, reason, egress))

// A way from a gateway to an egress node.
struct EgressWay {
  std::string gateway;                         // n-…, or c-… of a bridged cluster
  std::optional<std::uint64_t> round_trip_us;  // from the gateway on, as the nodes have measured it
  std::uint32_t hops = 1;                      // links from the gateway on
};
BOOST_DESCRIBE_STRUCT(EgressWay, (), (gateway, round_trip_us, hops))

// A proxy cluster: who dials its address takes whichever worker answers. Of a bridged one that is a gateway for its
// inner workers; of another one it is an egress itself, which resources name by the cluster's id.
struct AgentCluster {
  std::string id;  // c-…
  std::string name;
  std::string address;  // host:port
  bool bridged = false;
};
BOOST_DESCRIBE_STRUCT(AgentCluster, (), (id, name, address, bridged))

struct AgentEgress {
  std::string id;  // n-…, or c-… of a cluster
  std::string name;
  std::optional<std::vector<EgressWay>> ways = {};  // by which gateways; none: nothing is known of them
};
BOOST_DESCRIBE_STRUCT(AgentEgress, (), (id, name, ways))

// One host of a web resource: what the agent's web proxy knows it by.
struct AgentWebHost {
  std::string label;   // empty: the main one, NAME.localhost; else LABEL.NAME.localhost
  std::string origin;  // its own: "https://wiki.corp.example"
};
BOOST_DESCRIBE_STRUCT(AgentWebHost, (), (label, origin))

struct AgentResource {
  std::string id;
  std::string name;
  std::string type;
  std::uint16_t port = 0;           // the loopback port
  std::vector<std::string> egress;  // ids of nodes and clusters, best first
  std::optional<AgentHealth> health = {};
  std::optional<std::vector<AgentWebHost>> web = {};  // of a web resource: its hosts, the main one first
};
BOOST_DESCRIBE_STRUCT(AgentResource, (), (id, name, type, port, egress, health, web))

struct AgentView {
  std::string account;
  std::string email;
  WallTime sign_in_ends{};
  std::vector<AgentGateway> gateways;
  std::vector<AgentResource> resources;
  std::optional<std::vector<AgentEgress>> egresses = {};   // the nodes that the resources name, for people to read
  std::optional<std::vector<AgentCluster>> clusters = {};  // whose workers the resources name
};
BOOST_DESCRIBE_STRUCT(AgentView, (), (account, email, sign_in_ends, gateways, resources, egresses, clusters))

// One line of the agent's watch. `kind`: "view" (all of it, first and after every change that touches it), "heartbeat"
// (every 5 s), "end" (the sign-in is over, or the account is suspended; `reason` says why, `code` which), "trust" (to
// who asks for it: api/keys.h).
struct AgentEvent {
  std::string kind;
  std::string epoch;
  std::uint64_t revision = 0;
  std::optional<AgentView> view;
  std::optional<std::string> reason;
  std::optional<TrustedAuthorities> trust = {};
  std::optional<std::string> code = {};
};
BOOST_DESCRIBE_STRUCT(AgentEvent, (), (kind, epoch, revision, view, reason, trust, code))

// ---- why sessions ended: a stream of the agent's link to the egress node (docs/wire.md, "Endings") ----
struct SessionEnding {
  std::string trace;
  std::string session;
  std::string resource;  // rs-…
  std::string code;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(SessionEnding, (), (trace, session, resource, code, reason))

}  // namespace portolan::api
