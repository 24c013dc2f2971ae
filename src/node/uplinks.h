// The links that a node dials and keeps. A relay's with each gateway of its view (Purpose::kReverse): it takes from
// them the end-to-end links of clients; nothing dials a relay. A gateway's with other gateways, where the topology asks
// for it (Purpose::kNode): by these it forwards what it has no link for itself.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/node_facts.h"
#include "net/event.h"
#include "node/control_watch.h"
#include "node/identity.h"
#include "tunnel/gateway_ways.h"
#include "tunnel/succession.h"

namespace portolan::node {

// One loop. stop() before destruction.
class Uplinks {
 public:
  // Of a relay. `on_path` takes each path that a gateway opens for a client: end-to-end TLS begins on it.
  Uplinks(const net::Executor& executor, const Identity& identity, const NodeOptions& options,
          std::function<void(std::unique_ptr<net::Stream>)> on_path);
  // Of a gateway.
  Uplinks(const net::Executor& executor, const Identity& identity, const NodeOptions& options);
  // Dials what is new, drops what is gone. Called with every view.
  void follow(const api::NodeView& view);
  // The identity has changed: newer links are made beside those that there are.
  void renewed();
  // Called when a link has come or gone, or its gateway leaves.
  void on_change(std::function<void()> listener) { changed_ = std::move(listener); }
  // Called, from the loop, when there is no link with this node any more.
  void on_lost(std::function<void(const std::string& node)> listener) { lost_ = std::move(listener); }
  // The link for new streams to a gateway; null: none, or it is leaving. Valid until the next await.
  const tunnel::Link* link_to(const std::string& node) const;
  std::string address_of(const std::string& node) const;
  // Whether a plain connection to it is known not to pass.
  bool links_only(const std::string& node) const { return ways_.by_web(node); }
  std::vector<api::NodeLink> health() const;
  std::size_t linked() const;
  std::size_t wanted() const { return gateways_.size(); }
  // Whether each link of the first view has come about, or failed once.
  bool settled() const { return settled_; }
  net::Task<> stop();

 private:
  struct Gateway {
    Gateway(const net::Executor& executor, std::string its_id, std::string its_address, std::function<void()> ended);
    std::string id;
    std::string address;
    std::optional<std::string> web_address = {};  // that may be used
    std::optional<std::string> web_offer = {};    // that may not, for want of NodeOptions::web_links
    std::string reason = "not tried yet";         // why it is down
    bool tried = false;                           // once, to its end
    std::optional<std::chrono::microseconds> round_trip = {};
    std::function<void()> on_end;
    net::Event turned;
    tunnel::Succession links;
    net::TaskGroup tasks;
  };
  net::Task<> keep(Gateway& gateway);
  void note_tried(Gateway& gateway);
  bool all_tried() const;
  net::Task<Result<>> link_once(Gateway& gateway);
  // By the plain way, which has failed before. Fails with the task only.
  net::Task<Result<>> try_plain(Gateway& gateway);
  Result<tunnel::GatewayWays::Make> maker(Gateway& gateway);
  net::Task<Result<>> stay(Gateway& gateway);
  net::Task<Result<>> renew_link(Gateway& gateway);
  void take_path(Gateway& gateway, std::unique_ptr<tunnel::Incoming> incoming);
  void leaves(Gateway& gateway);
  // The path is a connection to the gateway's own address, of which it has given the ticket.
  net::Task<> dial_back(std::string address, std::unique_ptr<tunnel::Incoming> incoming);
  net::Task<> drop(std::unique_ptr<Gateway> gateway);

  const Identity& identity_;
  const NodeOptions& options_;
  tunnel::Purpose purpose_;
  std::function<void(std::unique_ptr<net::Stream>)> on_path_;
  std::function<void()> changed_ = [] {};
  std::function<void(const std::string& node)> lost_ = [](const std::string&) {};
  tunnel::GatewayWays ways_;
  std::map<std::string, std::unique_ptr<Gateway>> gateways_;
  bool settled_ = false;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
