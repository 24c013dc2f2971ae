// Joining, and what nodes are told.
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

// ---- nodes: POST /v1/node/join (anyone with a token), then with the node's certificate ----
struct JoinRequest {
  Secret token;
  std::string public_key;
  std::string name;
  std::string address;  // advertised host:port; empty for one that listens on nothing
  std::string version;
};
BOOST_DESCRIBE_STRUCT(JoinRequest, (), (token, public_key, name, address, version))

struct Joined {
  std::string organization;
  std::string node;
  std::string name;
  std::string kind;
  std::string certificate;
  std::string node_ca;
  std::string user_ca;
  std::string server_ca;
  std::string control_name;
  std::optional<std::string> cluster = {};  // c-… of a worker
};
BOOST_DESCRIBE_STRUCT(Joined, (),
                      (organization, node, name, kind, certificate, node_ca, user_ca, server_ca, control_name, cluster))

// What a gateway lets an account open.
struct AccountEgress {
  std::string account;
  std::vector<std::string> nodes;
};
BOOST_DESCRIBE_STRUCT(AccountEgress, (), (account, nodes))

struct PeerNode {
  std::string id;
  std::string name;
  std::string kind;
  std::string address;
  std::optional<std::string> web_address = {};  // as in AgentGateway
};
BOOST_DESCRIBE_STRUCT(PeerNode, (), (id, name, kind, address, web_address))

// For a gateway: by which other gateways, best first, it reaches a node that it has no link with itself.
struct NextHop {
  std::string node;
  std::vector<std::string> via;
};
BOOST_DESCRIBE_STRUCT(NextHop, (), (node, via))

// GET /v1/node?watch=1. Gateways take no people before they have the first view.
struct NodeView {
  std::vector<PeerNode> nodes;               // gateways to dial and relays to expect
  std::vector<AccountEgress> accounts;       // for gateways
  std::vector<std::string> denied_accounts;  // suspended or deleted
  std::vector<std::string> denied_devices;
  std::vector<std::string> denied_serials;  // certificates taken back (sign-outs, revoked nodes)
  // For gateways: other gateways that it is to keep a link with, and what goes by them.
  std::optional<std::vector<PeerNode>> dial = {};
  std::optional<std::vector<NextHop>> next_hops = {};
};
BOOST_DESCRIBE_STRUCT(NodeView, (), (nodes, accounts, denied_accounts, denied_devices, denied_serials, dial, next_hops))

// `kind`: "view", "heartbeat" (every 5 s), "revoke" (end the sessions of these leases, and forget the leases), "health"
// (report it now: there are checks to be made), "end" (these `sessions`, at an admin's word), "trust" (to who asks for
// it: api/keys.h). A kind that is not known is skipped.
struct NodeEvent {
  std::string kind;
  std::string epoch;
  std::uint64_t revision = 0;
  std::optional<NodeView> view;
  std::optional<std::vector<std::string>> leases;
  std::optional<std::string> reason;
  std::optional<std::vector<std::string>> sessions = {};
  std::optional<TrustedAuthorities> trust = {};
  std::optional<std::string> code = {};  // of "revoke" and "end": stable, beside the words of `reason`
};
BOOST_DESCRIBE_STRUCT(NodeEvent, (), (kind, epoch, revision, view, leases, reason, sessions, trust, code))

}  // namespace portolan::api
