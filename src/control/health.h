// Health over the API: what nodes report (POST /v1/node/health) and are given to check, what admins see and follow of
// nodes and resources, and what agents are told. Its own topic wakes its watches; agents are woken only when what they
// are told of some resource has changed, at most once a second.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/agent.h"
#include "api/health.h"
#include "control/checks.h"
#include "control/presence.h"
#include "control/routes.h"
#include "control/routing.h"
#include "net/event.h"
#include "net/loop.h"

namespace portolan::control {

class Health {
 public:
  // How an admin is shown a node, and how a node is told that there are checks for it.
  struct Others {
    std::function<api::NodeStatusView(const directory::Node&, const Lookup&)> status;
    std::function<void(const std::string& node)> call_node;
  };
  Health(Core& core, Presence& presence, Routing& routing, Others others);
  void add_to(Routes& routes);
  // Does nothing by itself any more: the loop may end before this does.
  void stop() { timer_.cancel(); }
  // It has come or gone.
  void node_changed(const std::string& node);
  // Agents are told of other ways, or of another order of egress nodes.
  void ways_changed(const Routing::Changed& changed);

  // The nodes in the order in which agents shall try them: those that serve first, of these those that gateways have a
  // way to, of these those that reach the resource, then those that are reached fastest, else by name.
  void best_first(const std::string& resource, std::vector<const directory::Node*>& nodes) const;
  // What agents are told; `nodes` are best first.
  api::AgentHealth for_agents(const directory::Snapshot& snapshot, const directory::Resource& resource,
                              const std::vector<const directory::Node*>& nodes) const;
  // Why the node does not reach the resource, as agents are told; nothing: it does, or that is not known.
  std::optional<std::string> why_unhealthy(const std::string& resource, const std::string& node) const;
  // Grows with every change of what agents are told, and of which nodes are there.
  std::uint64_t told() const { return told_; }
  // Whether since then something has changed for somebody who uses these resources.
  bool concerns(std::uint64_t since, const std::vector<std::string>& resources) const;
  // Of which resources agents are told something else since then; nothing when it may be all of them.
  std::optional<std::vector<std::string>> changed_since(std::uint64_t since) const;

 private:
  net::Task<Answer> list(Exchange exchange);
  net::Task<Result<>> watch(Exchange exchange, Watch& watch, net::http::Sink& sink);
  net::Task<Answer> list_nodes(Exchange exchange);
  net::Task<Result<>> watch_nodes(Exchange exchange, Watch& watch, net::http::Sink& sink);
  net::Task<Answer> check_now(Exchange exchange);
  Answer take_report(const Exchange& exchange);
  api::ResourceHealthView view(const Checks::Key& key, const Lookup& lookup) const;
  void tick();
  // Notes what has changed about nodes, and tells whom it concerns. Whether there was anything to be shown.
  bool note_nodes(const Lookup& lookup);

  Core& core_;
  Presence& presence_;
  Routing& routing_;
  Others others_;
  Checks checks_;
  std::uint64_t told_ = 0;
  std::uint64_t everybody_told_ = 0;              // the directory has changed, or ways, or a node has come or gone
  std::uint64_t nodes_told_ = 0;                  // a node has come or gone, or the order of nodes has changed
  std::map<std::string, std::uint64_t> told_of_;  // resources, by the last change
  std::map<std::uint64_t, std::string> told_order_;
  std::uint64_t shown_ = 0;  // of checks_.sequence(), when watches were last woken
  net::Event answered_;
  net::Timer timer_;
};

}  // namespace portolan::control
