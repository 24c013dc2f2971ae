// By which way links to gateways are made from here: TCP to a gateway's own port, which is the plain way, or where that
// fails a WebSocket to its web address (web_dial.h). Chosen without anybody's help: the plain way is tried first, and
// what had to be done in which network is remembered, in a file too, so that the next start does not wait for the plain
// way to fail. While a link goes by WebSocket the plain way is tried again now and then (docs/wire.md).
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"
#include "net/tcp.h"
#include "tunnel/segment_limits.h"
#include "tunnel/web_dial.h"

namespace portolan::tunnel {

struct GatewayPlace {
  std::string id;       // n-…
  std::string address;  // host:port
  std::optional<std::string> web_address = {};
};

struct GatewayWaysOptions {
  std::filesystem::path memory = {};   // the file; empty: none
  std::filesystem::path ca_file = {};  // web_dial.h
  std::chrono::milliseconds dial_limit = std::chrono::seconds(5);
  std::chrono::milliseconds handshake_limit = std::chrono::seconds(10);
  // Of the plain way where there is another: of the connection, and then of the handshake.
  std::chrono::milliseconds plain_limit = std::chrono::seconds(3);
  // The plain way is tried again after one minute, then after twice that and so on, at most after so long.
  std::chrono::milliseconds plain_retry = std::chrono::minutes(10);
  std::function<std::string()> network = {};  // the name of the network; none: net::network_name()
};

// What is remembered of a gateway in a network: that the plain way fails there, and how.
struct RememberedWay {
  std::string network;
  std::string gateway;  // n-…
  std::string why;
  WallTime since{};
};
BOOST_DESCRIBE_STRUCT(RememberedWay, (), (network, gateway, why, since))

// One loop. Outlives the tasks that it gives.
class GatewayWays {
 public:
  GatewayWays(GatewayWaysOptions options, const Clock& clock);

  // Makes a link over a path, of which the handshake has so long; the caller's own, which outlives the task.
  using Make = std::function<net::Task<Result<>>(std::unique_ptr<net::Stream> path, std::chrono::milliseconds limit)>;
  // By the way that serves. An error of both ways says both.
  net::Task<Result<>> link(GatewayPlace to, Make make);
  // By the plain way alone, when plain_due(): from then on that is the one.
  net::Task<Result<>> link_plainly(GatewayPlace to, Make make);
  // One more connection to a gateway, by the way of its link.
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(GatewayPlace to, std::chrono::milliseconds limit);

  // A plain connection of one's own to an address, with segments as this network takes them.
  net::Task<Result<std::unique_ptr<net::TcpStream>>> dial_plain(net::Endpoint to, std::chrono::milliseconds limit);
  // A connection to a gateway has fallen silent, though something was sent on it: long packets may vanish here.
  void fell_silent() { segments_.fell_silent(network()); }

  // Whether the newest link was made by WebSocket; then why, in words for people.
  bool by_web(const std::string& id) const { return by_web_.contains(id); }
  std::optional<std::string> why_web(const std::string& id) const;
  bool plain_due(const std::string& id) const;
  // The plain way may be open now.
  void network_changed();

 private:
  struct ByWeb {
    std::string network;
    std::string why;
    BootTime next_plain{};
    std::chrono::milliseconds pause{};
  };
  struct Limits {
    std::chrono::milliseconds dial;
    std::chrono::milliseconds handshake;
  };
  net::Task<Result<>> by_plain(const GatewayPlace& to, const Make& make, Limits limits, std::string& why);
  net::Task<Result<>> by_websocket(const GatewayPlace& to, const Make& make);
  net::Task<Result<std::unique_ptr<net::Stream>>> dial_websocket(const GatewayPlace& to,
                                                                 std::chrono::milliseconds limit) const;
  std::string network() const;
  const RememberedWay* remembered(const std::string& network, const std::string& gateway) const;
  void goes_by_web(const GatewayPlace& to, const std::string& network, std::string why);
  void goes_plainly(const GatewayPlace& to, const std::string& network);
  void save() const;

  const GatewayWaysOptions options_;
  const Clock& clock_;
  SegmentLimits segments_{clock_};
  std::map<std::string, ByWeb> by_web_;    // by gateway
  std::vector<RememberedWay> remembered_;  // oldest first
};

// Why a link by the plain way has failed, in words for people. `connected`: there was a TCP connection.
std::string why_not_plain(const Error& error, bool connected);

}  // namespace portolan::tunnel
