#include "control/sessions.h"

#include <utility>

#include "control/listing.h"

namespace portolan::control {
namespace {

// As it is on record. Nodes make up their sessions' ids: the same one at two nodes would be a fault of one of them, and
// then the newest is meant.
net::Task<Result<api::SessionEntry>> asked(Core& core, std::string id) {
  auto work = [store = core.audit.get(), id]() { return store->sessions({.session = id}, {.after = {}, .limit = 1}); };
  CO_TRY(auto listed, co_await net::run_blocking(core.audit_pool, std::move(work)));
  if (listed.items.empty()) co_return fail(Code::kNotFound, "there is no session " + quoted(id));
  co_return std::move(listed.items.front());
}

net::Task<Answer> show(Core& core, Exchange exchange) {
  CO_TRY(auto session, co_await asked(core, exchange.argument()));
  name_node(session, *exchange.lookup);
  co_return ok(session);
}

std::unexpected<Error> not_connected(const api::SessionEntry& session) {
  return fail(Code::kUnavailable,
              "the node " + quoted(session.node) + " of this session is not connected to the control plane now");
}

net::Task<Answer> end(Core& core, Nodes& nodes, Exchange exchange) {
  CO_TRY(const auto session, co_await asked(core, exchange.argument()));
  if (session.ended)
    co_return fail(Code::kConflict,
                   "the session " + quoted(session.session) + " has ended at " + to_rfc3339(*session.ended));
  if (!nodes.connected(session.node)) co_return not_connected(session);
  if (nodes.has_lost(session))
    co_return fail(Code::kConflict,
                   "the node " + quoted(session.node) + " does not have the session " + quoted(session.session) +
                       " any more; it will be shown as ended soon",
                   "not_live");
  const auto& accounts = exchange.lookup->snapshot().accounts;
  const auto admin = accounts.find(exchange.caller.account);
  const std::string who = admin == accounts.end() ? exchange.caller.account : admin->second.email;
  // On record before it is done: what cannot be written down is not done.
  CO_CHECK(co_await change_as(core, exchange, [session](store::Change& change) {
    return change.note("session.ended", session.session, session.email + " → " + session.resource_name,
                       json::encode(session));
  }));
  if (!nodes.end_session(session.node, session.session, "ended by " + who)) co_return not_connected(session);
  co_return no_content();
}

}  // namespace

void name_node(api::SessionEntry& session, const Lookup& lookup) {
  const auto& nodes = lookup.snapshot().nodes;
  if (const auto node = nodes.find(session.node); node != nodes.end()) session.node_name = node->second.name;
}

void add_sessions(Routes& routes, Core& core, Nodes& nodes) {
  routes.add("GET /v1/sessions/{session}", [&core](Exchange exchange) { return show(core, std::move(exchange)); });
  routes.add("DELETE /v1/sessions/{session}",
             [&core, &nodes](Exchange exchange) { return end(core, nodes, std::move(exchange)); });
}

}  // namespace portolan::control
