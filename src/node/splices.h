// Spliced paths at a gateway (docs/wire.md, "Tickets and spliced paths"): tickets for the two ends of a path, and the
// plain connections that come with them, joined in the kernel. The gateway sees what it sees of a nested path, TLS
// records, and encrypts nothing.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/identity.h"
#include "net/loop.h"
#include "net/stop.h"
#include "net/tcp.h"
#include "tunnel/ticket.h"

namespace portolan::node {

struct SpliceLimits {
  std::chrono::milliseconds life = std::chrono::seconds(10);  // of a ticket
  std::size_t waiting = 1024;                                 // paths whose ends have not both come
  std::size_t waiting_per_account = 32;
  // Waiting or joined. Each takes six descriptors while it is joined: people must not use up a gateway's by paths that
  // they leave half open. Beyond it paths are nested.
  std::size_t all = 4096;
  std::size_t per_account = 256;
};

// One loop. stop() before destruction.
class Splices {
 public:
  struct Ends {
    crypto::UserIdentity user;
    std::string relay;      // id of the node that the other end's link is with: a relay, or the next gateway
    std::string from = {};  // id of the gateway that has forwarded the path; empty: the user's own link is here
  };
  struct Tickets {
    tunnel::Ticket user{};  // the user's, or that of the gateway before this one
    tunnel::Ticket relay{};
  };
  Splices(const net::Executor& executor, const Clock& clock, SpliceLimits limits);

  // A path that both ends may join within the tickets' life. Code::kLimit when too many are waited for.
  Result<Tickets> issue(Ends ends);
  // The path is not wanted any more, unless both ends have come.
  void withdraw(const Tickets& tickets);
  // A plain connection that came with a ticket; closed if nobody waits for that.
  void take(std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket& ticket);

  // Ends the paths of a device, of a relay or of a gateway that has no link with this gateway any more.
  void end_user(const crypto::UserIdentity& user);
  void end_relay(const std::string& node);
  void end_from(const std::string& gateway);
  // Ends those; tells their ends nothing.
  void end_those(const std::function<bool(const Ends&)>& which);
  std::size_t open() const { return paths_.size(); }
  std::size_t of(const std::string& account) const;
  std::uint64_t joined() const { return joined_; }  // since the start
  std::uint64_t bytes() const { return bytes_; }    // of paths that have ended
  net::Task<> stop();

 private:
  struct Path {
    Path(Ends its_ends, BootTime its_due) : ends(std::move(its_ends)), due(its_due) {}
    Ends ends;
    BootTime due;
    std::array<std::unique_ptr<net::TcpStream>, 2> came = {};  // user's, relay's
    net::StopSignal stop = {};
  };
  using Kept = std::shared_ptr<Path>;
  // By the hash of the ticket, so that no comparison tells how much of a guess was right.
  struct Place {
    Kept path;
    std::size_t side = 0;
  };
  void forget(const Kept& path);
  void forget_late();
  net::Task<> run(Kept path);

  const Clock& clock_;
  SpliceLimits limits_;
  std::map<crypto::Sha256, Place> places_;
  std::list<Kept> waiting_;  // by age
  std::list<Kept> paths_;    // joined
  std::uint64_t joined_ = 0;
  std::uint64_t bytes_ = 0;
  net::Timer timer_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
