// The agent's own API on loopback and on its Unix socket, for the command line (docs/reference/agent.md). It changes
// nothing on GET.
//   GET  /v1/status                    AgentStatus
//   GET  /v1/resources?filter=TEXT     Page<LocalResource>: name or type contains TEXT
//   POST /v1/connect                   ConnectRequest → Page<LocalResource> (those it named)
//   POST /v1/disconnect                ConnectRequest → Page<LocalResource>
//   POST /v1/reload                    reads the sign-in files again (after login and logout)
//   POST /v1/stop                      ends the agent
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"

namespace portolan::api {

struct LocalResource {
  std::string name;
  std::string type;
  std::string address;                // "127.0.0.1:15432"; where it listens, or would
  std::string state;                  // "connected", "disconnected", "failed"
  std::optional<std::string> reason;  // why it failed: "port 15432 is held by postgres (pid 12)"
  std::uint64_t sessions = 0;
  std::optional<std::string> health = {};  // "ok", "unreachable", "unknown"; absent: the control plane says nothing
  std::optional<std::string> health_reason = {};  // why it is unreachable
};
BOOST_DESCRIBE_STRUCT(LocalResource, (), (name, type, address, state, reason, sessions, health, health_reason))

struct LocalGateway {
  std::string name;
  std::string address;
  std::string state;  // "linked", "down", "idle"
  std::optional<std::uint64_t> round_trip_us;
  std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(LocalGateway, (), (name, address, state, round_trip_us, reason))

struct LocalPath {
  std::string egress;   // node id
  std::string gateway;  // name
  std::string kind;     // "nested", "direct" (the gateway is the egress)
  std::uint64_t sessions = 0;
  std::uint64_t handshakes = 0;  // end-to-end handshakes made for this egress since the agent started
};
BOOST_DESCRIBE_STRUCT(LocalPath, (), (egress, gateway, kind, sessions, handshakes))

struct AgentStatus {
  std::string version;
  std::int64_t pid = 0;
  bool signed_in = false;
  std::string email;  // empty when signed out
  std::string organization;
  std::optional<WallTime> sign_in_ends;
  std::string control;        // host:port
  std::string control_state;  // "up", "down", "signed-out"
  std::optional<std::string> control_reason;
  std::vector<LocalGateway> gateways;
  std::vector<LocalPath> paths;
  std::vector<LocalResource> resources;
};
BOOST_DESCRIBE_STRUCT(AgentStatus, (),
                      (version, pid, signed_in, email, organization, sign_in_ends, control, control_state,
                       control_reason, gateways, paths, resources))

struct ConnectRequest {
  std::vector<std::string> names;
  bool all = false;
};
BOOST_DESCRIBE_STRUCT(ConnectRequest, (), (names, all))

}  // namespace portolan::api
