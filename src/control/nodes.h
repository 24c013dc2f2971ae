// Nodes: joining by a token, following the directory, reporting what lives on them and what they have on record; and
// what admins see and do of them.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/admin.h"
#include "api/audit.h"
#include "api/node.h"
#include "control/certificates.h"
#include "control/leases.h"
#include "control/node_views.h"
#include "control/presence.h"
#include "control/routes.h"
#include "control/trust.h"

namespace portolan::control {

class Nodes {
 public:
  Nodes(Core& core, Presence& presence, Leases& leases, NodeViews& views, TrustReaders& readers,
        Certificates& certificates)
      : core_(core),
        presence_(presence),
        leases_(leases),
        views_(views),
        readers_(readers),
        certificates_(certificates) {}
  void add_to(Routes& routes);
  // Tells the node to end it; false if the node is not connected.
  bool end_session(const std::string& node, const std::string& session, const std::string& reason);
  bool connected(const std::string& node) const { return mailboxes_.contains(node); }
  // By its last report: false, too, for one that may have begun since.
  bool has_lost(const api::SessionEntry& session) const;
  // Passes it on to the node's watches; a node that has none reports its sessions when it comes back, and is told then.
  void revoke(const std::string& node, const std::vector<std::string>& leases, const Error& reason);
  // Tells the node to report its health now: there are checks for it.
  void call_for_health(const std::string& node);
  api::NodeStatusView status(const directory::Node& node, const Lookup& lookup) const;

 private:
  struct Revocation {
    std::vector<std::string> leases;
    Error reason;
  };
  // What one watch of a node has not sent yet.
  struct Mailbox {
    std::vector<Revocation> revocations;
    std::vector<std::pair<std::string, std::string>> ended_sessions;  // with the reason
    std::size_t leases = 0;
    bool overflowed = false;
    bool health_wanted = false;
  };
  class OpenMailbox;
  // What a node has said last of what lives there.
  struct Reported {
    std::shared_ptr<const std::set<std::string>> sessions;
    WallTime at{};
    WallTime looked_after{};  // the beginning of the process of whose predecessors nothing is left open on record
  };

  net::Task<Answer> join(Exchange exchange);
  net::Task<Answer> show_view(Exchange exchange);
  net::Task<Result<>> take_facts(const Exchange& exchange);
  net::Task<Result<>> watch(Exchange exchange, Watch& watch, net::http::Sink& sink);
  net::Task<Answer> revoke_node(Exchange exchange);
  net::Task<Answer> sessions(Exchange exchange);
  // Ends on record what a process of the node that is gone has left open.
  net::Task<Result<>> end_lost(const std::string& id, const std::string& name);
  // How far the node's clock is ahead.
  std::chrono::milliseconds clock_offset(const std::string& node) const;
  net::Task<Answer> update(Exchange exchange);
  void add_admin_routes(Routes& routes);

  Core& core_;
  Presence& presence_;
  Leases& leases_;
  NodeViews& views_;
  TrustReaders& readers_;
  Certificates& certificates_;
  std::multimap<std::string, OpenMailbox*> mailboxes_;
  std::map<std::string, Reported> reported_;  // by node
};

}  // namespace portolan::control
