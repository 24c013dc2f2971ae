// Health: what nodes report of themselves and of the resources behind them, and what is shown of it.
// All of it is volatile: the control plane keeps it in memory, and it raises no revision.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/admin.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

// ---- POST /v1/node/health (node certificate), at least every 10 s ----
// Decoded leniently at both ends: a neighbouring release may say more. Tasks say themselves what must be understood.

// How a check went. Only the answer to a task that was given to this node, is not over and has not been answered yet
// counts.
struct CheckResult {
  std::string id;
  Secret nonce;
  bool healthy = false;
  std::string code;    // stable: "ok", "connection_refused", "bad_credential" …
  std::string reason;  // in words; may quote the resource, which is hostile
  std::uint64_t duration_ms = 0;
};
BOOST_DESCRIBE_STRUCT(CheckResult, (), (id, nonce, healthy, code, reason, duration_ms))

// What a session has found out about its resource: that it was let in, or that it was not.
struct ResourceSeen {
  std::string resource;
  bool healthy = false;
};
BOOST_DESCRIBE_STRUCT(ResourceSeen, (), (resource, healthy))

struct NodeHealth {
  std::string version;
  WallTime time{};  // the node's clock when it sent this
  std::uint64_t uptime_s = 0;
  std::vector<std::string> checks;  // the protocols that it can check; empty: none
  // Of what tasks may demand (must_understand); the first release does not say it, and understands none.
  std::optional<std::vector<std::string>> understands = {};
  std::optional<bool> leaving = {};  // it was told to stop, and takes nothing new
  std::optional<bool> linking =
      {};  // it has not tried each of its links yet since it began: those may come at any moment
  std::vector<NodeLink> links;
  NodeLoad load;
  std::vector<CheckResult> results;
  std::optional<std::vector<ResourceSeen>> seen = {};  // where it is not as the last check or session found it
};
BOOST_DESCRIBE_STRUCT(NodeHealth, (),
                      (version, time, uptime_s, checks, understands, leaving, linking, links, load, results, seen))

// One check to make now, with the credential for it: what docs/wire.md calls a check lease.
struct CheckTask {
  std::vector<std::string> must_understand;  // features without which the node must leave it
  std::string id;                            // ck-…
  Secret nonce;                              // comes back with the result
  std::string resource;
  std::string name;
  std::string type;
  std::string host;
  std::uint16_t port = 0;
  std::map<std::string, std::string> settings;
  std::string username;
  Secret password;
  std::optional<Secret> tls_key = {};  // PEM, of the certificate in the settings
  std::uint64_t deadline_ms = 0;       // of the check
  std::uint64_t life_ms = 0;           // from its arrival; then it is not begun any more
};
BOOST_DESCRIBE_STRUCT(CheckTask, (),
                      (must_understand, id, nonce, resource, name, type, host, port, settings, username, password,
                       tls_key, deadline_ms, life_ms))

struct NodeHealthAnswer {
  WallTime time{};            // the control plane's clock
  std::uint64_t next_ms = 0;  // come again then, or when there are results
  std::vector<CheckTask> tasks;
};
BOOST_DESCRIBE_STRUCT(NodeHealthAnswer, (), (time, next_ms, tasks))

// ---- GET /v1/health/resources, POST /v1/resources/{resource}/checks (admin) ----
struct ResourceHealthView {
  std::string resource;
  std::string resource_name;
  std::string node;
  std::string node_name;
  std::string state;                  // "healthy", "unhealthy", "unknown"
  std::string code;                   // "ok", "never_checked", "node_down", "not_supported", or why it is unhealthy
  std::string reason;                 // in words; empty when healthy
  std::optional<std::string> remedy;  // what an admin can do
  std::optional<WallTime> since;      // since when it is so
  std::optional<WallTime> checked;
  std::optional<std::uint64_t> duration_ms;  // of the last check
  std::uint64_t checks = 0;  // credentials handed to this node for checks, since the control plane began
};
BOOST_DESCRIBE_STRUCT(ResourceHealthView, (),
                      (resource, resource_name, node, node_name, state, code, reason, remedy, since, checked,
                       duration_ms, checks))

// One line of GET /v1/health/resources?watch=1. `kind`: "health" (one that is, first all, then each that changes),
// "listed" (all that was there has been sent), "removed" (resource and node are ids), "heartbeat".
struct ResourceHealthEvent {
  std::string kind;
  std::optional<ResourceHealthView> health;
  std::optional<std::string> resource;
  std::optional<std::string> node;
};
BOOST_DESCRIBE_STRUCT(ResourceHealthEvent, (), (kind, health, resource, node))

// One line of GET /v1/health/nodes?watch=1: "node", "listed", "heartbeat".
struct NodeHealthEvent {
  std::string kind;
  std::optional<NodeStatusView> node;
};
BOOST_DESCRIBE_STRUCT(NodeHealthEvent, (), (kind, node))

// GET /v1/health, for anybody.
struct ServerHealth {
  std::string status = "ok";
  std::string version;
  std::string organization;
  std::optional<WallTime> time = {};  // its clock
};
BOOST_DESCRIBE_STRUCT(ServerHealth, (), (status, version, organization, time))

}  // namespace portolan::api
