// A relay's links to gateways: it dials each gateway of its view, keeps the link, and takes from it the end-to-end
// links of clients. Nothing dials a relay.
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
  // `on_path` takes each path that a gateway opens for a client: end-to-end TLS begins on it.
  Uplinks(const net::Executor& executor, const Identity& identity, const NodeOptions& options,
          std::function<void(std::unique_ptr<net::Stream>)> on_path);
  // Dials what is new, drops what is gone. Called with every view.
  void follow(const api::NodeView& view);
  // The identity has changed: newer links are made beside those that there are.
  void renewed();
  // Called when a link has come or gone.
  void on_change(std::function<void()> listener) { changed_ = std::move(listener); }
  std::vector<api::NodeLink> health() const;
  std::size_t linked() const;
  std::size_t wanted() const { return gateways_.size(); }
  net::Task<> stop();

 private:
  struct Gateway {
    Gateway(const net::Executor& executor, std::string its_id, std::string its_address, std::function<void()> changed);
    std::string id;
    std::string address;
    std::optional<std::string> web_address = {};
    std::string reason = "not tried yet";  // why it is down
    std::optional<std::chrono::microseconds> round_trip = {};
    std::function<void()> on_change;
    net::Event ended;
    tunnel::Succession links;
    net::TaskGroup tasks;
  };
  net::Task<> keep(Gateway& gateway);
  net::Task<Result<>> link_once(Gateway& gateway);
  // By the plain way, which has failed before. Fails with the task only.
  net::Task<Result<>> try_plain(Gateway& gateway);
  Result<tunnel::GatewayWays::Make> maker(Gateway& gateway);
  net::Task<Result<>> stay(Gateway& gateway);
  net::Task<Result<>> renew_link(Gateway& gateway);
  void take_path(Gateway& gateway, std::unique_ptr<tunnel::Incoming> incoming);
  // The path is a connection to the gateway's own address, of which it has given the ticket.
  net::Task<> dial_back(std::string address, std::unique_ptr<tunnel::Incoming> incoming);
  net::Task<> drop(std::unique_ptr<Gateway> gateway);

  const Identity& identity_;
  const NodeOptions& options_;
  std::function<void(std::unique_ptr<net::Stream>)> on_path_;
  std::function<void()> changed_ = [] {};
  tunnel::GatewayWays ways_;
  std::map<std::string, std::unique_ptr<Gateway>> gateways_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
