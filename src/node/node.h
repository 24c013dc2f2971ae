// A node: gateway (it listens), relay (it only dials out) or worker of a proxy cluster, by what it has joined with.
// Every node can be the egress, the last one, which reaches the resource. Runs on one loop; keeps its identity and
// audit spool in its data folder and everything else in memory.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/address_range.h"
#include "net/loop.h"
#include "net/tcp.h"

namespace portolan::node {

// Links over WebSocket (docs/wire.md), for where a network lets only HTTP pass.
struct WebListen {
  net::Endpoint at;
  // The operator's, PEM, the chain leaf first; read again when they change. Neither: plain HTTP, on loopback only, for
  // an HTTPS proxy in front.
  std::filesystem::path certificate_file = {};
  std::filesystem::path key_file = {};
  std::string advertise = {};  // host:port; default: the advertised host, and the bound port or, behind a proxy, 443
};

struct NodeOptions {
  std::filesystem::path data;
  std::filesystem::path audit_key_file = {};  // that the audit spool is sealed with; default: DATA/audit.key
  net::Endpoint control;                      // the control plane
  std::optional<Secret> join_token = {};      // or a cluster's key; needed at the first start only
  std::string name = {};                      // for a new node; default: the host's name
  std::optional<net::Endpoint> listen = {};   // of a gateway, or a worker that is not bridged
  std::string advertise = {};                 // host:port for clients and nodes; default: the bound address
  // Balancers before the port, whose connections begin with a PROXY header; others' do not.
  std::vector<net::AddressRange> proxy_protocol_from = {};
  std::optional<WebListen> web = {};       // a gateway's
  bool web_links = false;                  // of a relay: it goes by a gateway's web address where TCP fails
  std::filesystem::path web_ca_file = {};  // then: authorities to trust beside the system's, PEM
  std::chrono::milliseconds plain_retry = std::chrono::minutes(10);  // then it tries TCP again, at the latest
  std::optional<net::Endpoint> health = net::Endpoint{"127.0.0.1", 9090};
  std::optional<net::Endpoint> metrics = net::Endpoint{"127.0.0.1", 9999};
  std::chrono::milliseconds dial_limit = std::chrono::seconds(10);  // to resources, gateways, the control plane
  std::chrono::milliseconds handshake_limit = std::chrono::seconds(10);
  std::size_t handshakes = 256;            // unproven connections at a time
  std::size_t streams_per_account = 2000;  // through a gateway
  // When it is told to stop: for sessions to end and paths to move to other gateways; none: at once.
  std::chrono::milliseconds drain_limit{0};
  std::chrono::milliseconds ship_limit = std::chrono::seconds(5);  // then, for what is on record
};

class Node {
 public:
  // Joins (first start) or loads its identity, binds, and starts following the control plane. Returns when it is
  // listening; links and the first view may still be on their way (ready()).
  static net::Task<Result<std::unique_ptr<Node>>> start(net::Loop& loop, NodeOptions options);
  virtual ~Node() = default;
  virtual const std::string& id() const = 0;
  virtual const std::string& name() const = 0;
  virtual const std::string& kind() const = 0;             // "gateway", "relay", "worker" …
  virtual std::optional<net::Endpoint> local() const = 0;  // a gateway's bound address
  // Has its first view, and at least one link to a gateway if it is a relay and there are gateways.
  virtual bool ready() const = 0;
  // Whether a stop now would end no session and break no path: those that can move to another gateway do not count.
  virtual bool idle() const = 0;
  // Leaves: is not ready any more and takes nothing new, says so, and gives what runs the drain limit. Then it tells
  // clients why, ends what is left, and ships what is on record. After it the node can be destroyed.
  virtual net::Task<> stop() = 0;
};

}  // namespace portolan::node
