// The agent's own API on loopback and on its Unix socket, for the command line (docs/reference/agent.md). It changes
// nothing on GET.
//   GET  /v1/status                    AgentStatus
//   GET  /v1/status?watch=1            StatusEvent lines: all of it first, then whenever something changes
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

// Somebody else who listens on a port of ours.
struct LocalHolder {
  std::string user;
  bool foreign = false;                     // another user than the agent's: what is sent to the port goes to them
  std::optional<std::string> process = {};  // of users whose processes we may not look into: none
  std::optional<std::int64_t> pid = {};
};
BOOST_DESCRIBE_STRUCT(LocalHolder, (), (user, foreign, process, pid))

struct LocalResource {
  std::string name;
  std::string type;
  std::string address;                // "127.0.0.1:15432"; where it listens, or would
  std::string state;                  // "connected", "disconnected", "failed"
  std::optional<std::string> reason;  // why it failed: "port 15432 is held by postgres (pid 12)"
  std::uint64_t sessions = 0;
  std::optional<std::string> health = {};  // "ok", "unreachable", "unknown"; absent: the control plane says nothing
  std::optional<std::string> health_reason = {};  // why it is unreachable
  std::optional<LocalHolder> held_by = {};
  std::optional<std::string> url = {};  // of a web resource: "http://wiki.localhost:65230"
};
BOOST_DESCRIBE_STRUCT(LocalResource, (),
                      (name, type, address, state, reason, sessions, health, health_reason, held_by, url))

struct LocalGateway {
  std::string name;
  std::string address;
  std::string state;  // "linked", "down", "idle"
  std::optional<std::uint64_t> round_trip_us;
  std::optional<std::string> reason;
  std::optional<std::string> way = {};          // "websocket"; absent: TCP to `address`
  std::optional<std::string> way_address = {};  // of the WebSocket
  std::optional<std::string> way_reason = {};   // why it is not the plain way
};
BOOST_DESCRIBE_STRUCT(LocalGateway, (), (name, address, state, round_trip_us, reason, way, way_address, way_reason))

struct LocalPath {
  std::string egress;   // node id
  std::string gateway;  // name
  std::string kind;     // "spliced", "nested", "direct" (the gateway is the egress)
  std::uint64_t sessions = 0;
  std::uint64_t handshakes = 0;  // end-to-end handshakes made for this egress since the agent started
  std::optional<std::string> egress_name = {};
  std::optional<std::string> state = {};              // "linked", "silent", "reconnecting"
  std::optional<std::uint64_t> time_left_ms = {};     // while reconnecting: then its sessions end
  std::optional<std::string> reason = {};             // why the last attempt to reconnect has failed
  std::optional<std::string> fallback = {};           // why it is nested and not spliced
  std::optional<std::vector<std::string>> hops = {};  // names of the gateways on it, in order; none: it is direct
  std::optional<std::uint64_t> pipes = {};            // if there are several, of which the worst is described here
};
BOOST_DESCRIBE_STRUCT(LocalPath, (),
                      (egress, gateway, kind, sessions, handshakes, egress_name, state, time_left_ms, reason, fallback,
                       hops, pipes))

// A session that did not end because one of its two sides had finished.
struct LocalEnding {
  WallTime time{};
  std::string resource;  // name
  std::string code;      // stable: "grant_ended"
  std::string reason;    // for people
  std::string trace;
};
BOOST_DESCRIBE_STRUCT(LocalEnding, (), (time, resource, code, reason, trace))

// A port of the agent's own on loopback: the status API's, the web proxy's.
struct LocalPort {
  std::string address;
  std::string state;  // "listening", "failed"
  std::optional<std::string> reason = {};
  std::optional<LocalHolder> held_by = {};
};
BOOST_DESCRIBE_STRUCT(LocalPort, (), (address, state, reason, held_by))

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
  std::optional<LocalPort> status_port = {};
  std::optional<std::vector<LocalEnding>> endings = {};  // the last ones, newest first
  std::optional<LocalPort> web_proxy = {};
};
BOOST_DESCRIBE_STRUCT(AgentStatus, (),
                      (version, pid, signed_in, email, organization, sign_in_ends, control, control_state,
                       control_reason, gateways, paths, resources, status_port, endings, web_proxy))

// One thing that is not as it was. `subject`: "sign-in", "control", "gateway", "path", "resource", "sessions" (how many
// a resource has), "ending" (a session that was ended), "status-port", "web-proxy",
// "port-holder" (who else holds a port of ours).
struct LocalChange {
  std::string subject;
  std::string name;  // which gateway, resource…
  std::string was;   // empty: it was not there
  std::string now;   // empty: it is there no more
  std::optional<std::string> reason = {};
};
BOOST_DESCRIBE_STRUCT(LocalChange, (), (subject, name, was, now, reason))

// One line of the status watch. `kind`: "status" (first), "change" (what is different, and all as it is now),
// "heartbeat" (after 5 s of silence).
struct StatusEvent {
  std::string kind;
  WallTime time{};
  std::optional<std::vector<LocalChange>> changes = {};
  std::optional<AgentStatus> status = {};
};
BOOST_DESCRIBE_STRUCT(StatusEvent, (), (kind, time, changes, status))

struct ConnectRequest {
  std::vector<std::string> names;
  bool all = false;
};
BOOST_DESCRIBE_STRUCT(ConnectRequest, (), (names, all))

}  // namespace portolan::api
