// The gateway: joins a client's stream with one of the link that the relay has dialled, or with one to the next gateway
// on the way there. It copies bytes that are TLS between client and egress, and opens nothing but what it was told
// (architecture §10.7).
#pragma once
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/node_facts.h"
#include "net/event.h"
#include "node/control_watch.h"
#include "node/counted.h"
#include "node/onward.h"
#include "node/shares.h"
#include "node/splices.h"
#include "node/transits.h"
#include "tunnel/link.h"

namespace portolan::node {

struct GatewayCounters {
  std::uint64_t links = 0;
  std::uint64_t streams = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes = 0;
};

// Where paths go but to relays.
struct Beyond {
  std::string self = {};                                           // the id of this gateway
  Onward* onward = nullptr;                                        // by other gateways; outlives it
  std::function<void(std::unique_ptr<net::Stream>)> on_path = {};  // here, as their egress
};

// One loop. stop() before destruction.
class Gateway {
 public:
  // `memory` of links is shared with what else the process has of them.
  Gateway(const net::Executor& executor, const ControlWatch& watch, const Clock& clock, std::size_t streams_per_account,
          Shares& memory, Beyond beyond = {});
  // A client's link: Purpose::kUser.
  void serve_user(tunnel::AcceptedLink accepted);
  // A relay's link: Purpose::kReverse. A second one for the same node must have the same key, else it is refused. If it
  // is meant to succeed the first, that one goes on with what runs on it; else it is ended.
  void serve_reverse(tunnel::AcceptedLink accepted);
  // Another gateway's link: Purpose::kNode.
  void serve_node(tunnel::AcceptedLink accepted) { transits_.serve(std::move(accepted)); }
  // There is no link to this gateway any more, by which paths went on.
  void lost_next(const std::string& gateway) { splices_.end_relay(gateway); }
  void end_denied();
  // Ends links by certificates of authorities that are not trusted any more.
  void end_untrusted(const tunnel::LinkIdentity& trust);
  // Tells clients and gateways that it takes no more paths, so that they go by other gateways (GOAWAY with NO_ERROR),
  // and then relays, that no path will come to them by it any more. Clients' paths that run go on: streams() says how
  // many there are. Those of gateways, whose clients hear nothing of it, end soon, and go on by others.
  void leave();
  // A plain connection that came with a ticket.
  void serve_plain(std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket& ticket) {
    splices_.take(std::move(stream), ticket);
  }
  // Says why on every link; takes a second at most.
  net::Task<> stop(Error why);
  GatewayCounters counters() const;
  std::size_t user_links() const { return users_.size(); }
  std::size_t reverse_links() const { return relays_.size(); }
  std::size_t node_links() const { return transits_.size(); }
  // Nested and spliced.
  std::size_t streams() const { return streams_.all() + splices_.open(); }
  std::size_t spliced() const { return splices_.open(); }
  // Its links with relays.
  std::vector<api::NodeLink> health() const;

 private:
  struct User {
    crypto::UserIdentity identity;
    crypto::Certificate certificate;
    std::unique_ptr<tunnel::Link> link;
    std::optional<BootTime> ends = {};  // since it is denied or has run out
  };
  struct Relay {
    std::string node;
    crypto::Certificate certificate;
    std::unique_ptr<tunnel::Link> link;
    std::optional<std::chrono::microseconds> round_trip = {};
  };
  static net::Task<> measure(std::weak_ptr<Relay> weak);
  // The relay's link, while it has not ended; else null.
  std::shared_ptr<Relay> linked(const std::string& node) const;
  // Waits for what the relay says to the stream. Code::kTimeout with the reason kRelaySilent when its link gives no
  // sign of life: it is given up then, unless one comes yet.
  static net::Task<Result<>> answer_of(std::shared_ptr<Relay> relay, tunnel::MuxStream& stream,
                                       std::chrono::milliseconds limit);
  net::Task<> tell_leaving();
  // Why a person's link here must end now, if it must.
  std::optional<Error> why_over(User& user) const;
  void retire(std::shared_ptr<Relay> older, const tunnel::Link& newer);
  void remove(const std::shared_ptr<Relay>& relay);
  std::list<std::shared_ptr<Relay>> all_relays() const;
  void remove(const std::shared_ptr<User>& user);
  // Why a relay's link here must end now, if it must.
  std::optional<Error> why_over(const Relay& relay) const;
  net::Task<> forward(PathRequest path, std::unique_ptr<tunnel::Incoming> incoming);
  // Whether this person may reach the node, and have one more path.
  Result<> allows(const PathRequest& path) const;
  struct Found {
    // One of them: the ticket for whoever asks, of a path on which the other end waits already; or the way itself.
    std::optional<tunnel::Ticket> ticket = {};
    std::unique_ptr<tunnel::MuxStream> nested = {};
    tunnel::Hops hops = {};  // gateways from here on
  };
  net::Task<Result<Found>> find(PathRequest path);
  // By the relay's own link.
  net::Task<Result<Found>> find_here(PathRequest path);
  net::Task<Result<Found>> find_onward(PathRequest path);
  // Whether the relay's link is there, or comes within the limit.
  net::Task<bool> comes(std::string relay, std::chrono::milliseconds limit);
  net::Task<Result<tunnel::Ticket>> splice(PathRequest path);
  net::Task<Result<std::unique_ptr<tunnel::MuxStream>>> nest(std::string node, std::string account);
  // A nested path that another gateway has forwarded.
  struct Transit {
    crypto::UserIdentity user;
    net::StopSignal stop = {};
  };
  net::Task<> carry(const PathRequest& path, net::Stream& from, net::Stream& to);
  void end_transits(const std::function<bool(const crypto::UserIdentity&)>& which, const Error& why);
  void end_denied_transits();

  const ControlWatch& watch_;
  const Clock& clock_;
  std::size_t streams_per_account_;
  Shares& memory_;
  Beyond beyond_;
  Counts streams_;  // open
  Splices splices_;
  GatewayCounters counters_;
  bool leaving_ = false;
  std::list<std::shared_ptr<User>> users_;
  // Whose link has ended since this gateway leaves, while spliced paths of theirs run.
  std::list<std::shared_ptr<User>> left_;
  std::list<std::shared_ptr<Relay>> left_relays_;
  std::map<std::string, std::shared_ptr<Relay>> relays_;
  std::list<std::shared_ptr<Relay>> retired_;  // relays' older links
  net::Event relay_linked_;
  Transits transits_;
  std::list<std::shared_ptr<Transit>> running_;
  // By account and device, of whom paths run here: when they end, since they are denied.
  std::map<std::pair<std::string, std::string>, BootTime> denied_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
