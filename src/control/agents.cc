#include "control/agents.h"

#include <algorithm>
#include <map>
#include <utility>

#include "control/accounts.h"

namespace portolan::control {
namespace {

std::string event(std::string kind, const Lookup& lookup, std::optional<api::AgentView> view,
                  std::optional<std::string> reason) {
  return json::encode(api::AgentEvent{
      std::move(kind), lookup.snapshot().epoch, lookup.snapshot().revision, std::move(view), std::move(reason), {}});
}

std::string trust_event(const Lookup& lookup, api::TrustedAuthorities trust) {
  return json::encode(
      api::AgentEvent{"trust", lookup.snapshot().epoch, lookup.snapshot().revision, {}, {}, std::move(trust)});
}

// The agent says itself what the person can do about it.
std::string what_happened(std::string_view message) { return std::string(message.substr(0, message.find(';'))); }

std::string reader_name(const Exchange& exchange) {
  const auto& snapshot = exchange.lookup->snapshot();
  const auto& device = snapshot.devices.find(exchange.caller.device)->second;
  return "the agent of " + snapshot.accounts.find(exchange.caller.account)->second.email + " on " + device.name;
}

// Those that are up first, else by name.
void up_first(std::vector<const directory::Node*>& nodes, const Presence& presence) {
  std::ranges::sort(nodes, {}, [&](const directory::Node* node) {
    return std::pair(!presence.up(node->id), std::string_view(node->name));
  });
}

}  // namespace

void Agents::add_to(Routes& routes) {
  routes.add_at_once("GET /v1/whoami", [](const Exchange& exchange) -> Answer {
    return ok(account_view(exchange.lookup->snapshot().accounts.find(exchange.caller.account)->second));
  });
  routes.add_watch(
      "GET /v1/agent", Topic::kAgents, [this](Exchange exchange) { return show_view(std::move(exchange)); },
      [this](Exchange exchange, Watch& its_watch, net::http::Sink& sink) {
        return watch(std::move(exchange), its_watch, sink);
      });
}

net::Task<Answer> Agents::show_view(Exchange exchange) { co_return ok(view(*exchange.lookup, exchange.caller)); }

api::AgentView Agents::view(const Lookup& lookup, const Caller& caller) const {
  const auto& snapshot = lookup.snapshot();
  api::AgentView view;
  view.account = caller.account;
  view.email = snapshot.accounts.find(caller.account)->second.email;
  view.sign_in_ends = snapshot.sign_ins.find(caller.sign_in)->second.ends;
  std::vector<const directory::Node*> gateways;
  for (const auto& [id, node] : snapshot.nodes)
    if (!node.revoked && node.kind == "gateway") gateways.push_back(&node);
  up_first(gateways, presence_);
  for (const auto* node : gateways) view.gateways.push_back({node->id, node->name, node->address});
  std::map<std::string, std::string> names;
  for (const auto* resource : directory::usable_resources(snapshot, caller.account, core_.now(), &lookup.access())) {
    auto nodes = directory::egress_nodes(snapshot, *resource);
    health_.best_first(resource->id, nodes);
    api::AgentResource entry{resource->id, resource->name, resource->type, resource->local_port, {}};
    entry.health = health_.for_agents(resource->id, nodes);
    for (const auto* node : nodes) {
      entry.egress.push_back(node->id);
      names[node->id] = node->name;
    }
    view.resources.push_back(std::move(entry));
  }
  view.egresses.emplace();
  for (const auto& [id, name] : names) view.egresses->push_back({id, name});
  return view;
}

net::Task<Result<>> Agents::watch(Exchange exchange, Watch& watch, net::http::Sink& sink) {
  CO_CHECK(co_await certificates_.take_into_use(exchange));
  TrustReaders::Seat seat(readers_, TrustReaders::Kind::kAgent, exchange.caller.device, reader_name(exchange),
                          exchange.call.request);
  LineSender lines(sink, core_.options.clock, core_.options.heartbeat);
  CO_CHECK(co_await lines.begin());
  std::string sent;
  LookupPtr shown;
  std::uint64_t told = 0;
  BootTime look_again{};
  std::set<std::string> resources;
  while (true) {
    const auto lookup = core_.lookup();
    const auto caller = identify(exchange.call, *lookup, core_.authorities, core_.nonces, core_.now());
    // Its newer certificate watches already.
    if (!caller && caller.error().reason == "certificate_replaced") co_return fail(Code::kEof, "replaced");
    if (!caller) co_return co_await lines.send(event("end", *lookup, {}, what_happened(caller.error().message)));
    if (auto trust = trust_of(core_.authorities); seat.must_hear(trust.version)) {
      CO_CHECK(co_await lines.send(trust_event(*lookup, std::move(trust))));
    }
    // The health of others' resources changes more often than that of one's own: it is no reason to look.
    const auto early = std::chrono::ceil<std::chrono::milliseconds>(look_again - core_.options.clock.boot());
    if (std::exchange(shown, lookup) == lookup && !health_.concerns(std::exchange(told, health_.told()), resources) &&
        early.count() > 0) {
      CO_CHECK(co_await watch.wait(early));
      continue;
    }
    auto visible = view(*lookup, *caller);
    const auto left = visible.sign_in_ends - core_.now() + std::chrono::milliseconds(1);
    resources.clear();
    for (const auto& resource : visible.resources) resources.insert(resource.id);
    if (std::string text = json::encode(visible); text != sent) {
      sent = std::move(text);
      CO_CHECK(co_await lines.send(event("view", *lookup, std::move(visible), {})));
    } else if (lines.heartbeat_due()) {
      CO_CHECK(co_await lines.send(event("heartbeat", *lookup, {}, {})));
    }
    const auto pause = std::min(lines.until_heartbeat(), left);
    look_again = core_.options.clock.boot() + pause;
    CO_CHECK(co_await watch.wait(pause));
  }
}

}  // namespace portolan::control
