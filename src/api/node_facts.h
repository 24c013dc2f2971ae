// What a node says of itself: reported by it (health.h), shown to admins (admin.h).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"

namespace portolan::api {

// A link of this node with another, as this node sees it.
struct NodeLink {
  std::string node;                            // n-… of the other end
  std::string address;                         // empty where the other end has dialled
  std::string state;                           // "up", "down"
  std::optional<std::uint64_t> round_trip_us;  // measured on the link
  std::optional<std::string> reason;           // why it is down
  std::optional<std::string> name = {};        // of the other end; the control plane fills it in
};
BOOST_DESCRIBE_STRUCT(NodeLink, (), (node, address, state, round_trip_us, reason, name))

struct NodeLoad {
  std::uint64_t sessions = 0;      // that live here, as their egress
  std::uint64_t streams = 0;       // forwarded here, as a gateway
  std::uint64_t clients = 0;       // links with people's agents
  std::uint64_t cpu_permille = 0;  // of one core, since the last report
  std::uint64_t memory_bytes = 0;  // resident
  std::uint64_t descriptors = 0;
  std::uint64_t descriptor_limit = 0;
  std::uint64_t audit_backlog_bytes = 0;  // on record here and not handed over
};
BOOST_DESCRIBE_STRUCT(NodeLoad, (),
                      (sessions, streams, clients, cpu_permille, memory_bytes, descriptors, descriptor_limit,
                       audit_backlog_bytes))

// The newest report, as the control plane shows it.
struct NodeFacts {
  WallTime reported{};
  std::uint64_t uptime_s = 0;
  std::int64_t clock_offset_ms = 0;  // how far the node's clock is ahead of the control plane's
  std::vector<std::string> checks;   // the protocols whose resources it can check
  std::vector<NodeLink> links;
  NodeLoad load;
};
BOOST_DESCRIBE_STRUCT(NodeFacts, (), (reported, uptime_s, clock_offset_ms, checks, links, load))

}  // namespace portolan::api
