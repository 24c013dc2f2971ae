// The agent's links to gateways: all of them are kept, measured, and offered best first.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/agent.h"
#include "api/local.h"
#include "client/changes.h"
#include "client/choice.h"
#include "client/home.h"
#include "net/event.h"
#include "tunnel/gateway_ways.h"
#include "tunnel/succession.h"

namespace portolan::client {

// One loop. stop() before destruction.
class Gateways {
 public:
  Gateways(const net::Executor& executor, const Credentials& credentials, Changes& changes,
           tunnel::GatewayWaysOptions ways = {});
  void follow(const std::vector<api::AgentGateway>& gateways);
  // `left` is called, from the loop, when a gateway says that it is leaving: what goes by it should go by another.
  void on_leaving(std::function<void(const std::string& id)> left) { on_leaving_ = std::move(left); }
  // `taken` is called, from the loop, when a gateway that was reached by WebSocket is reached by the plain way again.
  void on_plain_way(std::function<void(const std::string& id)> taken) { on_plain_way_ = std::move(taken); }
  // Whether it is linked and has not said that it is leaving.
  bool serves(const std::string& id) const;

  struct Linked {
    std::string id;
    std::string name;
    tunnel::Mux* mux;  // valid until the next await
    MeasuredGateway measured;
  };
  // Those that serve, by measured round trip.
  std::vector<Linked> linked_now() const;
  // The same. Waits up to `limit` for the first one; then the error says why each is
  // down.
  net::Task<Result<std::vector<Linked>>> linked(std::chrono::milliseconds limit);
  // The address of a gateway, to dial it as an egress; none if it is not a gateway we know.
  std::optional<std::string> address_of(const std::string& id) const;
  std::string name_of(const std::string& id) const;
  // A connection to a gateway, by the way of its link: plain, or a WebSocket.
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(std::string id, std::chrono::milliseconds limit);
  // A plain connection to its address, beside its link.
  net::Task<Result<std::unique_ptr<net::TcpStream>>> dial_plain(std::string id, std::chrono::milliseconds limit);
  // A path by a gateway, or the beginning of one, has fallen silent: perhaps long packets vanish in this network.
  void fell_silent() { ways_.fell_silent(); }
  // Why nothing but links can be made to it, in words for people; none: something can.
  std::optional<std::string> links_only(const std::string& id) const;
  // Why none of these egress nodes can be reached from here, whatever the control plane says: the gateways on all ways
  // are down. None: one can, or it has not been tried yet.
  std::optional<std::string> no_way_to(const std::vector<std::string>& egress) const;
  // For the person whose session went through it: why its link ended. None: it is linked.
  std::optional<Error> why_ended(const std::string& id) const;
  std::vector<api::LocalGateway> status() const;
  // The network has changed, or the machine has slept: a link that does not answer at once is made anew, and what is
  // being tried or waited for begins again now.
  void probe();
  // The certificate or the authorities have changed: newer links are made beside those that there are.
  void renewed();
  net::Task<> stop();

 private:
  struct Gateway {
    Gateway(const net::Executor& executor, api::AgentGateway its, Changes& changes);
    void ended(const Error& why);
    api::AgentGateway what;
    tunnel::Succession links;
    std::optional<std::chrono::microseconds> round_trip;
    std::uint64_t measurements = 0;
    std::string reason = "not tried yet";
    std::optional<Error> ended_by = {};  // of the last link
    net::Event turned;                   // its link has ended, or is to be made anew
    net::TaskGroup tasks;                // keep() alone
    net::TaskGroup probes;               // probe_one(), which ends keep() and begins it anew
    bool probe_again = false;
    std::optional<BootTime> trying = {};  // since when a link is being made
    bool tried = false;                   // once, to its end
  };
  void leaves(Gateway& gateway);
  net::Task<> keep(Gateway& gateway);
  net::Task<Result<>> link_once(Gateway& gateway);
  // By the plain way, which has failed before.
  net::Task<Result<>> try_plain(Gateway& gateway);
  Result<tunnel::GatewayWays::Make> maker(Gateway& gateway);
  net::Task<> measure_until_end(Gateway& gateway);
  net::Task<Result<>> renew_link(Gateway& gateway);
  net::Task<> probe_one(Gateway& gateway);
  static net::Task<> stop_one(Gateway& gateway);
  net::Task<> drop(std::unique_ptr<Gateway> gateway);

  const Credentials& credentials_;
  std::map<std::string, std::unique_ptr<Gateway>> gateways_;
  Changes& changes_;
  std::function<void(const std::string& id)> on_leaving_;
  std::function<void(const std::string& id)> on_plain_way_;
  tunnel::GatewayWays ways_;
  net::Event changed_;
  net::TaskGroup tasks_;
};

// Why a link to `peer` ("gateway g1") ended, in words for people: what the peer has said, or that it was lost.
Error why_link_ended(const std::string& peer, const Error& why, Hop hop);

// What this client shows of itself on links.
tunnel::LinkIdentity link_identity(const Credentials& credentials);
// The name of a node, or of a cluster.
std::string node_uri(const Credentials& credentials, const std::string& node);

}  // namespace portolan::client
