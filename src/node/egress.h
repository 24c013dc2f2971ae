// The egress: takes end-to-end links of clients, proves for each stream who opens it and that they may, and hands it to
// the driver.
#pragma once
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "api/agent.h"
#include "api/assertion.h"
#include "net/event.h"
#include "node/control_watch.h"
#include "node/counted.h"
#include "node/leases.h"
#include "node/session.h"
#include "node/shares.h"
#include "tunnel/link.h"

namespace portolan::node {

struct EgressCounters {
  std::uint64_t links = 0;     // end-to-end links that began something new, since the start
  std::uint64_t resumed = 0;   // those over which a pipe went on
  std::uint64_t sessions = 0;  // begun since the start
  std::uint64_t refused = 0;
};

// An account's share of what clients may make this node hold: a stream holds up to its window before its session takes
// it.
struct EgressLimits {
  std::size_t links_per_account = 256;
  // Of them, of one device: it has up to four pipes, and older ones until their last streams have ended. So a device
  // that goes mad leaves the account's others theirs.
  std::size_t links_per_device = 64;
  std::size_t streams_per_account = 4096;
  // What pipes keep unacknowledged, together: who takes nothing in, or has no link, leaves the others the rest.
  ShareLimits pipe_bytes = {.each = std::size_t{64} * 1024 * 1024, .all = std::size_t{256} * 1024 * 1024};
};

// One loop. stop() before destruction.
class Egress {
 public:
  // `memory` of links is shared with what else the process has of them.
  Egress(const net::Executor& executor, std::string node, SessionParts parts, const ControlWatch& watch, Shares& memory,
         EgressLimits limits = {});
  // Takes over an accepted end-to-end link (Purpose::kInner), whose peer is a proven user.
  // A link for a pipe that is here already goes to that.
  void serve(tunnel::AcceptedLink accepted);
  // Ends links of people whose certificate has been taken back or has run out.
  void end_denied();
  // Ends links by certificates of authorities that are not trusted any more.
  void end_untrusted(const std::vector<crypto::Certificate>& user_trust);
  // Begins no more sessions: who asks for one is told `why`, and tries another node. Those that run go on.
  void leave(Error why) { leaving_ = std::move(why); }
  // Tells clients that no more streams are taken on their links: they make others, which a balancer brings elsewhere.
  void drain_links();
  net::Task<> stop(Error reason);
  const EgressCounters& counters() const { return counters_; }
  std::size_t links() const { return links_.size(); }

 private:
  // What an agent has not yet been told of its sessions.
  struct EndingQueue {
    explicit EndingQueue(const net::Executor& executor) : more(executor) {}
    std::deque<api::SessionEnding> waiting;
    net::Event more;
  };
  struct Client {
    crypto::UserIdentity user;
    crypto::Certificate certificate;
    Bytes binding;
    api::NonceMemory nonces;
    std::unique_ptr<tunnel::Link> link;
    std::optional<BootTime> ends = {};          // since it is denied or has run out
    std::shared_ptr<EndingQueue> endings = {};  // asked for
  };
  // A stream that has been let in.
  struct Knock {
    LeaseKey key;
    std::string assertion;
    std::string trace;
  };
  // A link for a pipe that this device has here.
  void resume(const crypto::UserIdentity& user, tunnel::AcceptedLink accepted);
  void refuse(tunnel::AcceptedLink accepted, tunnel::AttachRefusal why);
  // Whether the assertion is timely: as of when the pipe received it, less the time that it had no link.
  Result<> check_time(const Client& client, const api::Assertion& assertion) const;
  Result<Knock> check(Client& client, const tunnel::OpenRequest& request);
  net::Task<> serve_stream(std::shared_ptr<Client> client, std::unique_ptr<tunnel::Incoming> incoming);
  struct Opened {
    std::unique_ptr<NodeSession> session;
    std::unique_ptr<net::Stream> stream;
  };
  // Does what the stream asks for, or opens a session; none if that was something else.
  net::Task<Result<Opened>> answer(std::shared_ptr<Client> client, tunnel::Incoming& incoming);
  net::Task<Result<Opened>> open(Knock knock, tunnel::Incoming& incoming);
  net::Task<> run(std::shared_ptr<Client> client, Opened opened);
  net::Task<Result<>> renew(Knock knock, tunnel::Incoming& incoming);
  // Tells the agent of each of this link's sessions that this node ends, and why, until the link or the node ends.
  net::Task<Result<>> tell_endings(std::shared_ptr<Client> client, tunnel::Incoming& incoming);
  static void note_ending(Client& client, const NodeSession& session, const Error& why);

  std::string node_;
  SessionParts parts_;
  const ControlWatch& watch_;
  EgressLimits limits_;
  EgressCounters counters_;
  Shares& memory_;
  Shares pipes_;
  Counts streams_;  // open or being let in
  std::list<std::shared_ptr<Client>> links_;
  std::size_t tellers_ = 0;  // tasks that tell endings
  std::optional<Error> leaving_;
  bool stopping_ = false;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
