// The ways between gateways and egress nodes (directory/routing.h), kept up to date with the directory and with what
// nodes report of their links; and what gateways and agents are told of them. Volatile: it raises no revision. One
// loop.
//
// A plan is made at once when something has happened, and at most once a second. After a start of the control plane
// nothing is known of links until the nodes have come back: until then nothing is told, so that nodes and agents go on
// with what they were told before.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/agent.h"
#include "api/node.h"
#include "control/core.h"
#include "control/presence.h"
#include "directory/routing.h"
#include "net/loop.h"

namespace portolan::control {

class Routing {
 public:
  // What of that which is told has changed.
  struct Changed {
    bool nodes = false;  // which gateways dial which, and next hops
    bool ways = false;   // what agents are told
    bool order = false;  // of egress nodes
  };
  Routing(Core& core, const Presence& presence, std::function<void(const Changed&)> on_change);
  // Something that ways depend on may have changed.
  void touch();
  // Does nothing by itself any more: the loop may end before this does.
  void stop() {
    stopped_ = true;
    timer_.cancel();
  }

  // False as long as too little is known to tell anybody anything.
  bool known() const { return known_; }
  const directory::RoutePlan& plan() const { return plan_; }
  // What the plan was made of.
  const directory::Topology& topology() const { return topology_; }

  // The gateways that this one shall dial, and its next hops.
  void tell_gateway(const Lookup& lookup, const directory::Node& gateway, api::NodeView& view) const;
  // By which gateways the egress node is reached; nothing: that is not known.
  std::optional<std::vector<api::EgressWay>> ways(const std::string& egress) const;
  // Whether no gateway has a way to it, though it has said which links it has.
  bool is_cut_off(const std::string& egress) const;
  // Whether the node has said which links it has, after it has tried all of them.
  bool has_reported(const std::string& node) const;
  // Its place among all egress nodes, the one that is reached fastest first.
  std::size_t place(const std::string& egress) const;

 private:
  void run();
  void schedule(std::chrono::milliseconds after);
  void follow_directory(const directory::Snapshot& snapshot);
  void forbid_links(const directory::Snapshot& snapshot);
  void take_nodes(const directory::Snapshot& snapshot);
  void take_links(const std::string& id, const Presence::State& state);
  bool learn(BootTime now);
  void take_dials();

  Core& core_;
  const Presence& presence_;
  std::function<void(const Changed&)> on_change_;
  const BootTime started_;
  directory::Topology topology_;
  directory::RoutePlan plan_;
  std::map<std::string, std::size_t> places_;
  bool known_ = false;
  bool stopped_ = false;
  bool pending_ = false;
  std::optional<BootTime> last_;
  std::string epoch_;  // of the directory that was followed last
  std::uint64_t revision_ = 0;
  net::Timer timer_;
};

}  // namespace portolan::control
