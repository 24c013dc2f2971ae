#include "control/agents.h"

#include <utility>

#include "control/accounts.h"

namespace portolan::control {
namespace {

std::string event(std::string kind, const Lookup& lookup, std::optional<std::string> reason) {
  return json::encode(
      api::AgentEvent{std::move(kind), lookup.snapshot().epoch, lookup.snapshot().revision, {}, std::move(reason), {}});
}

std::string trust_event(const Lookup& lookup, api::TrustedAuthorities trust) {
  return json::encode(
      api::AgentEvent{"trust", lookup.snapshot().epoch, lookup.snapshot().revision, {}, {}, std::move(trust)});
}

// The agent says itself what the person can do about it.
std::string what_happened(std::string_view message) { return std::string(message.substr(0, message.find(';'))); }

std::string end_event(const Lookup& lookup, const Error& why) {
  return json::encode(api::AgentEvent{"end",
                                      lookup.snapshot().epoch,
                                      lookup.snapshot().revision,
                                      {},
                                      what_happened(why.message),
                                      {},
                                      std::string(why.stable_code())});
}

std::string reader_name(const Exchange& exchange) {
  const auto& snapshot = exchange.lookup->snapshot();
  const auto& device = snapshot.devices.find(exchange.caller.device)->second;
  return "the agent of " + snapshot.accounts.find(exchange.caller.account)->second.email + " on " + device.name;
}

}  // namespace

void Agents::add_to(Routes& routes) {
  routes.add_at_once("GET /v1/whoami", [this](const Exchange& exchange) -> Answer {
    return ok(account_view(core_, exchange.lookup->snapshot().accounts.find(exchange.caller.account)->second));
  });
  routes.add_watch(
      "GET /v1/agent", Topic::kAgents, [this](Exchange exchange) { return show_view(std::move(exchange)); },
      [this](Exchange exchange, Watch& its_watch, net::http::Sink& sink) {
        return watch(std::move(exchange), its_watch, sink);
      });
}

net::Task<Answer> Agents::show_view(Exchange exchange) {
  UsableResources usable;
  co_return net::http::json_response(200, views_.text(*exchange.lookup, exchange.caller, usable));
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
  UsableResources usable;
  while (true) {
    const auto lookup = core_.lookup();
    const auto caller = identify(exchange.call, *lookup, core_.authorities, core_.nonces, core_.now());
    // Its newer certificate watches already.
    if (!caller && caller.error().reason == "certificate_replaced") co_return fail(Code::kEof, "replaced");
    if (!caller) co_return co_await lines.send(end_event(*lookup, caller.error()));
    if (auto trust = trust_of(core_.authorities); seat.must_hear(trust.version)) {
      CO_CHECK(co_await lines.send(trust_event(*lookup, std::move(trust))));
    }
    // The health of others' resources changes more often than that of one's own: it is no reason to look.
    const auto early = std::chrono::ceil<std::chrono::milliseconds>(look_again - core_.options.clock.boot());
    if (std::exchange(shown, lookup) == lookup && !health_.concerns(std::exchange(told, health_.told()), usable.ids) &&
        early.count() > 0) {
      CO_CHECK(co_await watch.wait(early));
      continue;
    }
    const auto left =
        lookup->snapshot().sign_ins.find(caller->sign_in)->second.ends - core_.now() + std::chrono::milliseconds(1);
    if (std::string text = views_.text(*lookup, *caller, usable); text != sent) {
      CO_CHECK(co_await lines.send(with_member(event("view", *lookup, {}), "view", text)));
      sent = std::move(text);
    } else if (lines.heartbeat_due()) {
      CO_CHECK(co_await lines.send(event("heartbeat", *lookup, {})));
    }
    const auto pause = std::min(lines.until_heartbeat(), left);
    look_again = core_.options.clock.boot() + pause;
    CO_CHECK(co_await watch.wait(pause));
  }
}

}  // namespace portolan::control
