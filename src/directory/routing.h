// Which ways there are between gateways and egress nodes, computed from what nodes report of their links. Pure: a plan
// follows from a topology, the plan before it and the time.
//
// A way's measure is first the number of its links: a gateway that has a link with the egress uses it, and else goes by
// a gateway that is one link nearer. So whoever follows next hops, the first or any other, comes one link nearer with
// each and cannot walk in a circle; the hop list on the wire (docs/wire.md) is for the moment in which two gateways
// have different plans. Among equals the measured round trip decides, and an order that was told is left as it is
// unless another one is better by a clear margin: else it would change with every measurement.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace portolan::directory {

// From a gateway on to the egress node: so there are four gateways on the way, one that is the egress among them.
inline constexpr std::uint32_t kMostLinks = 4;
// Of an alternative in use: how much better another one must be, both of it.
inline constexpr std::uint64_t kBetterPercent = 20;
inline constexpr std::uint64_t kBetterMicroseconds = 2000;
inline constexpr std::uint64_t kUnmeasuredMicroseconds = 250'000;  // what a link counts that was not measured yet
// A gateway is told to dial another one when it has lacked a link for so long, and to leave it when it has not needed
// it for so long: relays that restart are no reason.
inline constexpr std::chrono::seconds kLackLimit(20);
inline constexpr std::chrono::minutes kNeedlessLimit(10);
inline constexpr std::size_t kDialsPerEgress = 2;  // gateways that work, for each egress node that is lacked

using NodePair = std::pair<std::string, std::string>;  // ids

// What is known. Revoked nodes are not in it.
struct Topology {
  struct Node {
    bool gateway = false;
    bool serves = false;    // it is up and takes what is new
    bool reported = false;  // its links are known
    std::string name = {};
  };
  // From a gateway to a node that it can open a way to: a relay that has dialled it, or a gateway that it has dialled.
  struct Link {
    bool up = false;
    std::optional<std::uint64_t> round_trip_us;
  };
  std::map<std::string, Node> nodes;
  std::map<NodePair, Link> links;
  std::set<NodePair> forbidden;  // pairs that may have no link, whichever of them comes first
  std::set<std::string> egress;  // nodes that are the egress of something
  std::set<std::string> sought;  // of these, those that each gateway shall have a way to
};

struct PlannedWay {
  std::optional<std::uint64_t> round_trip_us;  // none: some link was not measured
  std::uint32_t hops = 0;                      // links; 0: the gateway is the egress
  bool operator==(const PlannedWay&) const = default;
};

struct RoutePlan {
  // What is told.
  std::map<std::string, std::set<std::string>> dial;                            // by gateway: gateways
  std::map<std::string, std::map<std::string, std::vector<std::string>>> next;  // by gateway and egress, best first
  std::map<std::string, std::map<std::string, PlannedWay>> ways;                // by egress and gateway that serves
  std::vector<std::string> order;  // egress nodes, the one that is reached fastest first; those without a way last
  // What the next plan goes on from.
  std::map<NodePair, BootTime> lacked;    // gateway and egress, since when
  std::map<NodePair, BootTime> needless;  // gateway and the one it dials, since when
  std::optional<BootTime> look_again;     // a plan of the same topology is another one from then on
};

RoutePlan plan_routes(const Topology& topology, const RoutePlan& before, BootTime now);

// Whether something that takes `mine` should give way to something that takes `other`, in microseconds.
bool is_clearly_better(std::uint64_t other, std::uint64_t mine);

// A member, what people call it, and what it costs, in microseconds.
struct Costly {
  std::string id;
  std::uint64_t cost = 0;
  std::string name = {};
};
// As in `before`, and those that are not in there behind them by name and id; but one that is clearly better than those
// before it goes before them.
std::vector<std::string> order_steadily(std::vector<Costly> members, const std::vector<std::string>& before);

}  // namespace portolan::directory
