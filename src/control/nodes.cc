#include "control/nodes.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "base/log.h"
#include "control/clusters.h"
#include "control/collection.h"
#include "control/join.h"
#include "control/objects.h"
#include "control/resource_rules.h"
#include "directory/placement.h"
#include "protocols/features.h"

namespace portolan::control {
namespace {

constexpr std::size_t kMailboxLimit = 20'000;  // leases to revoke that a slow node has not taken yet
constexpr std::size_t kVersionLimit = 64;
// A report of live sessions may have been written so long before it is read.
constexpr std::chrono::milliseconds kReportUnderWay = std::chrono::seconds(5);
// Records of a process before this one are handed over by then, mostly; if any still come, they count.
constexpr std::chrono::milliseconds kBacklogLimit = std::chrono::seconds(60);
constexpr std::chrono::milliseconds kLookedAfterLimit = std::chrono::minutes(10);
// What is told as whole seconds moves from one report to the next.
constexpr std::chrono::milliseconds kSameProcess = std::chrono::seconds(3);

api::NodeEvent event(std::string kind, const Lookup& lookup) {
  return {std::move(kind), lookup.snapshot().epoch, lookup.snapshot().revision, {}, {}, {}, {}};
}

}  // namespace

// Registered while the watch runs.
class Nodes::OpenMailbox {
 public:
  OpenMailbox(Nodes& nodes, const std::string& node, Watch& watch)
      : nodes_(nodes), watch_(watch), at_(nodes.mailboxes_.emplace(node, this)) {}
  OpenMailbox(const OpenMailbox&) = delete;
  OpenMailbox& operator=(const OpenMailbox&) = delete;
  ~OpenMailbox() { nodes_.mailboxes_.erase(at_); }
  Mailbox take() { return std::exchange(mailbox_, Mailbox{}); }
  Mailbox& mailbox() { return mailbox_; }
  void wake() { watch_.wake(); }

 private:
  Nodes& nodes_;
  Watch& watch_;
  Mailbox mailbox_;
  std::multimap<std::string, OpenMailbox*>::iterator at_;
};

void Nodes::add_to(Routes& routes) {
  routes.add("POST /v1/node/join", [this](Exchange exchange) { return join(std::move(exchange)); });
  routes.add_watch(
      "GET /v1/node", Topic::kDirectory, [this](Exchange exchange) { return show_view(std::move(exchange)); },
      [this](Exchange exchange, Watch& its_watch, net::http::Sink& sink) {
        return watch(std::move(exchange), its_watch, sink);
      });
  routes.add_at_once("POST /v1/leases", [this](const Exchange& exchange) -> Answer {
    presence_.seen(exchange.caller.node);
    PL_TRY(const auto request, exchange.body<api::LeaseRequest>());
    const auto understood = protocols::split_features(exchange.call.request.parameter("understands").value_or(""));
    PL_TRY(const auto lease, leases_.grant(*exchange.lookup, exchange.caller.node, request, understood));
    return ok(lease);
  });
  routes.add("POST /v1/node/sessions", [this](Exchange exchange) { return sessions(std::move(exchange)); });
  add_admin_routes(routes);
}

net::Task<Answer> Nodes::show_view(Exchange exchange) {
  co_return ok(views_.of(*exchange.lookup, exchange.lookup->snapshot().nodes.find(exchange.caller.node)->second));
}

net::Task<Answer> Nodes::join(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::JoinRequest>());
  const std::string version = request.version.substr(0, kVersionLimit);
  CO_TRY(const auto joined, co_await control::join(core_, std::move(request), exchange.call.connection->peer));
  presence_.set_version(joined.node, version);
  co_return created(joined);
}

net::Task<Answer> Nodes::sessions(Exchange exchange) {
  CO_TRY(const auto live, exchange.body<api::LiveSessions>());
  const std::string id = exchange.caller.node;
  presence_.seen(id);
  presence_.set_sessions(id, live.sessions.size());
  const auto answer = leases_.check(*exchange.lookup, id, live);
  auto named = std::make_shared<std::set<std::string>>();
  for (const auto& session : live.sessions) named->insert(session.session);
  Reported& reported = reported_[id];
  reported.sessions = std::move(named);
  reported.at = core_.now();
  const auto* node = exchange.lookup->node(id);
  const auto looked_after = co_await end_lost(id, node ? node->name : id);
  if (!looked_after && looked_after.error().code != Code::kCancelled)
    log::warn("cannot end on record what a node has lost", {{"node", id}, {"why", looked_after.error()}});
  co_return ok(answer);
}

std::chrono::milliseconds Nodes::clock_offset(const std::string& node) const {
  const auto* state = presence_.find(node);
  return std::chrono::milliseconds(state && state->facts ? state->facts->clock_offset_ms : 0);
}

bool Nodes::has_lost(const api::SessionEntry& session) const {
  const auto found = reported_.find(session.node);
  if (found == reported_.end() || found->second.sessions->contains(session.session)) return false;
  return session.started < found->second.at + clock_offset(session.node) - kReportUnderWay;
}

// A process that is killed puts no end of its sessions on record. The one that takes its place knows nothing of them:
// what began before it, and is not named by it, has ended, unless the record of how is still under way.
net::Task<Result<>> Nodes::end_lost(const std::string& id, const std::string& name) {
  const auto* state = presence_.find(id);
  if (!state || !state->facts) co_return Result<>{};
  const auto& facts = *state->facts;
  const WallTime began = facts.reported - std::chrono::seconds(facts.uptime_s);
  const auto age = core_.now() - began;
  const bool handed_over = facts.load.audit_backlog_bytes == 0;
  Reported& reported = reported_[id];
  if (began < reported.looked_after + kSameProcess || age < kReportUnderWay || (!handed_over && age < kBacklogLimit))
    co_return Result<>{};
  auto work = [store = core_.audit.get(), id, before = began + clock_offset(id), live = reported.sessions,
               why = name + " was restarted"] { return store->end_lost(id, before, *live, why); };
  // It is a list of all that the node has on record: not for each report.
  if (handed_over || age > kLookedAfterLimit) reported.looked_after = began;
  auto ended = co_await net::run_blocking(core_.audit_pool, std::move(work));
  if (!ended) {
    reported_[id].looked_after = {};
    co_return std::unexpected(std::move(ended).error());
  }
  if (*ended == 0) co_return Result<>{};
  log::info("sessions of a node's earlier process are lost", {{"node", name}, {"sessions", *ended}});
  core_.hub.wake(Topic::kAudit);
  co_return Result<>{};
}

void Nodes::revoke(const std::string& node, const std::vector<std::string>& leases, const Error& reason) {
  const auto [begin, end] = mailboxes_.equal_range(node);
  for (auto at = begin; at != end; ++at) {
    Mailbox& mailbox = at->second->mailbox();
    mailbox.leases += leases.size();
    if (mailbox.leases > kMailboxLimit) {
      mailbox.overflowed = true;
      mailbox.revocations.clear();
    } else {
      mailbox.revocations.push_back({leases, reason});
    }
  }
}

bool Nodes::end_session(const std::string& node, const std::string& session, const std::string& reason) {
  const auto [begin, end] = mailboxes_.equal_range(node);
  for (auto at = begin; at != end; ++at) {
    at->second->mailbox().ended_sessions.emplace_back(session, reason);
    at->second->wake();
  }
  return begin != end;
}

void Nodes::call_for_health(const std::string& node) {
  const auto [begin, end] = mailboxes_.equal_range(node);
  for (auto at = begin; at != end; ++at) {
    at->second->mailbox().health_wanted = true;
    at->second->wake();
  }
}

// A node says with each watch where it is now and what it runs: a gateway may have moved since it joined.
net::Task<Result<>> Nodes::take_facts(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  const auto& node = exchange.lookup->snapshot().nodes.find(exchange.caller.node)->second;
  if (const auto version = request.parameter("version"))
    presence_.set_version(node.id, version->substr(0, kVersionLimit));
  auto web_address = request.parameter("web_address");
  if (web_address) {
    CO_CHECK(check_node_address(node.kind, *web_address));
  }
  presence_.set_web_address(node.id, std::move(web_address));
  const auto address = request.parameter("address");
  if (!address || *address == node.address) co_return Result<>{};
  CO_CHECK(check_node_address(node.kind, *address));
  co_return co_await core_.change(node.id, [id = node.id, address = *address](store::Change& change) -> Result<> {
    const auto found = change.now().nodes.find(id);
    if (found == change.now().nodes.end()) return fail(Code::kNotFound, "there is no node " + quoted(id));
    auto moved = found->second;
    moved.address = address;
    return change.put(moved);
  });
}

net::Task<Result<>> Nodes::watch(Exchange exchange, Watch& watch, net::http::Sink& sink) {
  const std::string id = exchange.caller.node;
  CO_CHECK(co_await certificates_.take_into_use(exchange));
  CO_CHECK(co_await take_facts(exchange));
  TrustReaders::Seat reader(readers_, TrustReaders::Kind::kNode, id,
                            exchange.lookup->snapshot().nodes.find(id)->second.name, exchange.call.request);
  LineSender lines(sink, core_.options.clock, core_.options.heartbeat);
  CO_CHECK(co_await lines.begin());
  OpenMailbox mailbox(*this, id, watch);
  const Presence::Seat seat(presence_, id);
  std::string sent;
  while (true) {
    const auto lookup = core_.lookup();
    // The connection ends with the certificate's good standing; the node is told why when it comes again.
    const auto caller = identify(exchange.call, *lookup, core_.authorities, core_.nonces, core_.now());
    if (!caller) co_return fail(Code::kEof, caller.error().message);
    Mailbox mail = mailbox.take();
    if (mail.overflowed)
      co_return fail(Code::kLimit, "the node does not keep up with revocations: it has to list anew");
    for (auto& [session, reason] : mail.ended_sessions) {
      auto end = event("end", *lookup);
      end.sessions = std::vector{std::move(session)};
      end.reason = std::move(reason);
      end.code = "session_ended";
      CO_CHECK(co_await lines.send(json::encode(end)));
    }
    for (auto& revocation : mail.revocations) {
      auto revoke = event("revoke", *lookup);
      revoke.leases = std::move(revocation.leases);
      revoke.code = std::string(revocation.reason.stable_code());
      revoke.reason = std::move(revocation.reason.message);
      CO_CHECK(co_await lines.send(json::encode(revoke)));
    }
    if (mail.health_wanted) {
      CO_CHECK(co_await lines.send(json::encode(event("health", *lookup))));
    }
    if (auto trust = trust_of(core_.authorities); reader.must_hear(trust.version)) {
      auto told = event("trust", *lookup);
      told.trust = std::move(trust);
      CO_CHECK(co_await lines.send(json::encode(told)));
    }
    auto view = views_.of(*lookup, lookup->snapshot().nodes.find(id)->second);
    for (api::PeerNode& peer : view.nodes)
      if (const auto* seen = presence_.find(peer.id)) peer.web_address = seen->web_address;
    if (std::string text = json::encode(view); text != sent) {
      sent = std::move(text);
      auto shown = event("view", *lookup);
      shown.view = std::move(view);
      CO_CHECK(co_await lines.send(json::encode(shown)));
    } else if (lines.heartbeat_due()) {
      CO_CHECK(co_await lines.send(json::encode(event("heartbeat", *lookup))));
    }
    CO_CHECK(co_await watch.wait(lines.until_heartbeat()));
  }
}

void Nodes::add_admin_routes(Routes& routes) {
  add_collection<api::NodeStatusView, directory::Node>(
      routes, core_, "GET /v1/nodes",
      {.view = [this](const Exchange& exchange, const auto& node) { return status(node, *exchange.lookup); },
       .exact = {{"name", "name"},
                 {"kind", "kind", nullptr, {"gateway", "relay", "worker", "bridge-worker", "bridged-worker"}},
                 {"cluster", "cluster", cluster_id},
                 {"state", "state", nullptr, {"up", "down", "new", "revoked"}}},
       .lively = true});
  routes.add("PATCH /v1/nodes/{node}", [this](Exchange exchange) { return update(std::move(exchange)); });
  routes.add_at_once("GET /v1/nodes/{node}", [this](const Exchange& exchange) -> Answer {
    PL_TRY(const auto node, existing(exchange.lookup->node(exchange.argument()), "node", exchange.argument()));
    return ok(status(node, *exchange.lookup));
  });
  routes.add("DELETE /v1/nodes/{node}", [this](Exchange exchange) { return revoke_node(std::move(exchange)); });
}

api::NodeStatusView Nodes::status(const directory::Node& node, const Lookup& lookup) const {
  auto seen = presence_.of(node.id);
  const std::string state = node.revoked ? "revoked" : presence_.up(node.id) ? "up" : seen.last_seen ? "down" : "new";
  api::NodeStatusView view{node.id,     node.name,      node.kind,    node.address,
                           state,       seen.last_seen, seen.version, seen.watches > 0 ? seen.sessions : 0,
                           node.created};
  view.revision = node.revision;
  view.tags = node.tags;
  view.since = seen.since;
  if (!node.joined_by.empty()) view.joined_by = node.joined_by;
  if (!node.cluster.empty()) {
    view.cluster = node.cluster;
    const auto* cluster = directory::find_cluster(lookup.snapshot(), node.cluster);
    if (cluster) view.cluster_name = cluster->name;
  }
  if (std::string trouble = presence_.trouble(node, lookup); !trouble.empty()) view.reason = std::move(trouble);
  view.facts = std::move(seen.facts);
  if (view.facts)
    for (auto& link : view.facts->links)
      if (const auto* other = lookup.node(link.node)) link.name = other->name;
  return view;
}

net::Task<Answer> Nodes::update(Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::NodeUpdate>());
  CO_TRY(const auto node, existing(exchange.lookup->node(exchange.argument()), "node", exchange.argument()));
  if (request.name) {
    CO_CHECK(check_node_name(*request.name));
  }
  if (request.tags) {
    CO_CHECK(check_tags(*request.tags));
  }
  auto edit = [request](directory::Node& changed, store::Change&) -> Result<> {
    if (changed.revoked) return fail(Code::kConflict, "the node " + quoted(changed.name) + " has been revoked");
    changed.name = request.name.value_or(changed.name);
    changed.tags = request.tags.value_or(changed.tags);
    return {};
  };
  CO_TRY(const auto changed, co_await edit_object<directory::Node>(core_, exchange, node.id, std::move(edit)));
  co_return ok(status(changed, *exchange.lookup));
}

// Revoked, not removed: its certificate's serial stays on the deny list, and its name on what it has done.
net::Task<Answer> Nodes::revoke_node(Exchange exchange) {
  CO_TRY(const auto node, existing(exchange.lookup->node(exchange.argument()), "node", exchange.argument()));
  CO_CHECK(co_await edit_object<directory::Node>(core_, exchange, node.id,
                                                 [](directory::Node& revoked, store::Change&) -> Result<> {
                                                   revoked.revoked = true;
                                                   return {};
                                                 }));
  co_return no_content();
}

}  // namespace portolan::control
