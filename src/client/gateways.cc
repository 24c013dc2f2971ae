#include "client/gateways.h"

#include <algorithm>

#include "api/lease.h"
#include "base/id.h"
#include "base/log.h"
#include "net/backoff.h"
#include "net/link_backoff.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kMeasureEvery = std::chrono::seconds(15);
// The first ones of a link, so that a choice can be made soon.
constexpr std::uint64_t kFirstMeasurements = 4;
constexpr std::chrono::milliseconds kLook = std::chrono::seconds(1);  // whether a link must be made anew
constexpr std::chrono::milliseconds kPingLimit = std::chrono::seconds(10);
// Between attempts: where a good link has been lost lately, and otherwise, at most.
constexpr std::chrono::milliseconds kSoon = std::chrono::seconds(1);
constexpr std::chrono::milliseconds kLongestRest = std::chrono::seconds(3);
// After a change of the network. A link that is this slow is made anew; people wait.
constexpr std::chrono::milliseconds kProbeLimit = std::chrono::seconds(1);

}  // namespace

tunnel::LinkIdentity link_identity(const Credentials& credentials) {
  auto node_ca = crypto::Certificate::all_from_pem(credentials.state.node_ca);
  return {net::TlsIdentity{{credentials.certificate}, std::make_shared<crypto::PrivateKey>(credentials.key)},
          node_ca ? std::move(*node_ca) : std::vector<crypto::Certificate>{},
          {}};
}

std::string node_uri(const Credentials& credentials, const std::string& node) {
  if (is_id(node, "c")) return crypto::to_uri(crypto::ClusterIdentity{credentials.state.organization, node});
  return crypto::to_uri(crypto::NodeIdentity{credentials.state.organization, node});
}

Gateways::Gateway::Gateway(const net::Executor& executor, api::AgentGateway its, Changes& changes)
    : what(std::move(its)),
      links([this, &changes](const Error& why) {
        ended(why);
        changes.note();
      }),
      turned(executor),
      tasks(executor),
      probes(executor) {}

// One that leaves has ended a link on which nothing ran.
void Gateways::Gateway::ended(const Error& why) {
  const bool left = why.reason == tunnel::kDrained;
  if (left) {
    log::info("link to gateway ended, which is leaving", {{"gateway", what.address}});
  } else {
    log::warn("link to gateway ended", {{"gateway", what.address}, {"why", why}});
  }
  ended_by = left ? Error{Code::kUnavailable, "gateway " + what.name + " is stopping", std::string(api::kNodeStopping),
                          Hop::kGateway}
                  : why;
  reason = ended_by->message;
  turned.set();
}

static tunnel::GatewayPlace place_of(const api::AgentGateway& gateway) {
  return {gateway.id, gateway.address, gateway.web_address};
}

Gateways::Gateways(const net::Executor& executor, const Credentials& credentials, Changes& changes,
                   tunnel::GatewayWaysOptions ways)
    : credentials_(credentials),
      changes_(changes),
      ways_(std::move(ways), Clock::real()),
      changed_(executor),
      tasks_(executor) {}

void Gateways::follow(const std::vector<api::AgentGateway>& wanted) {
  std::map<std::string, api::AgentGateway> missing;
  for (const auto& gateway : wanted) missing[gateway.id] = gateway;
  for (auto known = gateways_.begin(); known != gateways_.end();) {
    const auto same = missing.find(known->first);
    if (same != missing.end() && same->second.address == known->second->what.address) {
      known->second->what.name = same->second.name;
      known->second->what.web_address = same->second.web_address;
      missing.erase(same);
      ++known;
    } else {
      tasks_.spawn("drop-gateway", drop(std::move(known->second)));
      known = gateways_.erase(known);
    }
  }
  for (const auto& [id, what] : missing) {
    auto gateway = std::make_unique<Gateway>(tasks_.executor(), what, changes_);
    Gateway& kept = *gateway;
    gateways_[id] = std::move(gateway);
    kept.links.on_draining([this, &kept] { leaves(kept); });
    kept.tasks.spawn("gateway " + what.address, keep(kept));
  }
}

bool Gateways::serves(const std::string& id) const {
  const auto found = gateways_.find(id);
  return found != gateways_.end() && found->second->links.serves();
}

void Gateways::leaves(Gateway& gateway) {
  log::info("a gateway is leaving", {{"gateway", gateway.what.name}});
  gateway.reason = "gateway " + gateway.what.name + " is stopping";
  gateway.turned.set();
  changes_.note();
  if (on_leaving_) on_leaving_(gateway.what.id);
}

net::Task<> Gateways::keep(Gateway& gateway) {
  net::LinkBackoff backoff(kSoon, kLongestRest);
  const auto now = [] { return Clock::real().boot(); };
  for (;;) {
    gateway.trying = Clock::real().boot();
    const auto linked = co_await link_once(gateway);
    gateway.trying.reset();
    gateway.tried = true;
    if (linked) {
      log::info("linked to gateway", {{"gateway", gateway.what.name}, {"address", gateway.what.address}});
      changed_.set();
      changes_.note();
      const BootTime began = now();
      co_await measure_until_end(gateway);
      backoff.lost(now() - began, now());
      if (!gateway.links.up() && gateway.ended_by && gateway.ended_by->code == Code::kTimeout) ways_.fell_silent();
      gateway.round_trip.reset();
      gateway.measurements = 0;
    } else if (linked.error().code == Code::kCancelled) {
      co_return;
    } else {
      const std::string& why = linked.error().message;
      // Said once, and not for each of many attempts.
      const auto say = std::exchange(gateway.reason, why) == why ? &log::debug : &log::warn;
      say("cannot link to gateway", {{"gateway", gateway.what.address}, {"why", why}});
      changes_.note();
    }
    const auto woken = co_await gateway.turned.wait(backoff.next(now()));
    if (!woken && woken.error().code == Code::kCancelled) co_return;
    if (!woken) continue;
    // The link of one that was leaving has ended: from now on it may be back at any moment.
    backoff.lost(net::LinkBackoff::kGood, now());
    const auto slept = co_await net::sleep_for(backoff.next(now()));
    if (!slept) co_return;
  }
}

net::Task<Result<>> Gateways::link_once(Gateway& gateway) {
  CO_TRY(auto make, maker(gateway));
  co_return co_await ways_.link(place_of(gateway.what), std::move(make));
}

Result<tunnel::GatewayWays::Make> Gateways::maker(Gateway& gateway) {
  PL_TRY(auto tls, tunnel::make_link_client(link_identity(credentials_), tunnel::Purpose::kUser,
                                            node_uri(credentials_, gateway.what.id)));
  return [&gateway, tls, mine = credentials_.certificate](std::unique_ptr<net::Stream> path,
                                                          std::chrono::milliseconds limit) {
    return gateway.links.dial(std::move(path), tls, mine, tunnel::Purpose::kUser, {.handshake_limit = limit}, nullptr);
  };
}

// Beside the link that there is, which goes on for what runs on it; pipes are moved.
net::Task<Result<>> Gateways::try_plain(Gateway& gateway) {
  CO_TRY(auto make, maker(gateway));
  auto made = co_await ways_.link_plainly(place_of(gateway.what), std::move(make));
  changes_.note();
  if (made && on_plain_way_) on_plain_way_(gateway.what.id);
  co_return made;
}

net::Task<Result<std::unique_ptr<net::Stream>>> Gateways::dial(std::string id, std::chrono::milliseconds limit) {
  const auto known = [&] { return gateways_.find(id); };
  // Its first link tells by which way it is reached.
  if (known() != gateways_.end() && !known()->second->tried && known()->second->what.web_address) {
    if (auto waited = co_await changed_.wait(limit); !waited && waited.error().code == Code::kCancelled)
      co_return std::unexpected(std::move(waited).error());
  }
  if (known() == gateways_.end()) co_return fail(Code::kNotFound, "the gateway was taken out of use");
  co_return co_await ways_.dial(place_of(known()->second->what), limit);
}

net::Task<Result<std::unique_ptr<net::TcpStream>>> Gateways::dial_plain(std::string id,
                                                                        std::chrono::milliseconds limit) {
  CO_TRY(const auto endpoint, net::parse_endpoint(address_of(id).value_or(""), 5000));
  co_return co_await ways_.dial_plain(endpoint, limit);
}

std::optional<std::string> Gateways::links_only(const std::string& id) const {
  if (!ways_.by_web(id)) return std::nullopt;
  return "gateway " + name_of(id) + " is reached by WebSocket";
}

void Gateways::renewed() {
  for (const auto& [id, gateway] : gateways_) gateway->turned.set();
}

// Beside the one that there is, which goes on for what runs on it.
net::Task<Result<>> Gateways::renew_link(Gateway& gateway) {
  auto linked = co_await link_once(gateway);
  if (linked) {
    log::info("link to gateway renewed", {{"gateway", gateway.what.name}, {"older", gateway.links.retired()}});
  } else if (linked.error().code != Code::kCancelled) {
    log::warn("cannot renew the link to a gateway yet", {{"gateway", gateway.what.name}, {"why", linked.error()}});
  }
  co_return linked;
}

net::Task<> Gateways::measure_until_end(Gateway& gateway) {
  net::Backoff backoff(kLook, std::chrono::minutes(1));
  auto measure = std::chrono::steady_clock::now();
  auto renewal = measure;
  while (gateway.links.serves()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= renewal && gateway.links.due(credentials_.certificate, Clock::real().wall())) {
      renewal = now + backoff.next();
      const auto linked = co_await renew_link(gateway);
      if (!linked && linked.error().code == Code::kCancelled) co_return;
      if (linked) backoff.reset();
      continue;
    }
    if (ways_.plain_due(gateway.what.id)) {
      const auto taken = co_await try_plain(gateway);
      if (!taken && taken.error().code == Code::kCancelled) co_return;
      continue;
    }
    if (now >= measure) {
      measure = now + (gateway.measurements + 1 < kFirstMeasurements ? kLook : kMeasureEvery);
      const auto measured = co_await gateway.links.newest()->mux->ping(kPingLimit);
      if (measured) ++gateway.measurements;
      // A smoothed value, so that one slow answer does not move sessions about.
      if (measured) gateway.round_trip = gateway.round_trip ? (*gateway.round_trip * 7 + *measured) / 8 : *measured;
      if (!gateway.links.serves()) co_return;
    }
    gateway.links.tidy();
    const auto ended = co_await gateway.turned.wait(kLook);
    if (!ended && ended.error().code == Code::kCancelled) co_return;
  }
}

std::vector<Gateways::Linked> Gateways::linked_now() const {
  std::vector<const Gateway*> up;
  for (const auto& [id, gateway] : gateways_)
    if (gateway->links.serves()) up.push_back(gateway.get());
  const auto round_trip = [](const Gateway* gateway) {
    return gateway->round_trip.value_or(std::chrono::microseconds::max());
  };
  std::ranges::sort(up, {}, round_trip);
  std::vector<Linked> linked;
  for (const Gateway* gateway : up)
    linked.push_back({gateway->what.id,
                      gateway->what.name,
                      gateway->links.newest()->mux.get(),
                      {gateway->what.id, gateway->round_trip, gateway->measurements}});
  return linked;
}

net::Task<Result<std::vector<Gateways::Linked>>> Gateways::linked(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto now = linked_now();
    if (!now.empty()) co_return now;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    const auto changed = co_await changed_.wait(left);
    if (!changed && changed.error().code == Code::kCancelled) co_return std::unexpected(changed.error());
  }
  if (gateways_.empty())
    co_return fail(Code::kUnavailable, "there is no gateway; an admin has to add one", "no_gateway");
  std::string message = "no gateway can be reached: ";
  for (const auto& [id, gateway] : gateways_)
    message += gateway->what.name + " (" + gateway->what.address + "): " + gateway->reason + "; ";
  message.resize(message.size() - 2);
  co_return fail(Code::kUnavailable, std::move(message), "gateway_away");
}

std::optional<std::string> Gateways::address_of(const std::string& id) const {
  const auto found = gateways_.find(id);
  if (found == gateways_.end()) return std::nullopt;
  return found->second->what.address;
}

std::string Gateways::name_of(const std::string& id) const {
  const auto found = gateways_.find(id);
  return found == gateways_.end() ? id : found->second->what.name;
}

// What has a reason was said with intent, by the peer or by us.
Error why_link_ended(const std::string& peer, const Error& why, Hop hop) {
  if (!why.reason.empty()) return Error(why).at(hop);
  // The innermost cause; what is around it names streams and sockets.
  const auto inner = why.message.rfind(": ");
  const std::string cause = inner == std::string::npos ? why.message : why.message.substr(inner + 2);
  return {Code::kIo, "the link to " + peer + " was lost: " + cause, std::string(name_of(hop)) + "_lost", hop};
}

std::optional<Error> Gateways::why_ended(const std::string& id) const {
  const auto found = gateways_.find(id);
  if (found == gateways_.end())
    return Error{Code::kUnavailable, "the gateway on the way was taken out of use", "gateway_gone", Hop::kGateway};
  const Gateway& gateway = *found->second;
  if (gateway.links.up()) return std::nullopt;
  const Error unknown{Code::kEof, "it has ended", {}, Hop::kUnknown};
  return why_link_ended("gateway " + gateway.what.name + " (" + gateway.what.address + ")",
                        gateway.ended_by.value_or(unknown), Hop::kGateway);
}

std::optional<std::string> Gateways::no_way_to(const std::vector<std::string>& egress) const {
  if (gateways_.empty() || egress.empty()) return std::nullopt;  // the control plane says what is missing
  std::string down;
  // A node that is no gateway is reached by any of them.
  const bool by_any = std::ranges::any_of(egress, [&](const auto& id) { return !gateways_.contains(id); });
  for (const auto& [id, gateway] : gateways_) {
    if (!by_any && std::ranges::find(egress, id) == egress.end()) continue;
    if (gateway->links.up() || !gateway->tried) return std::nullopt;
    down += (down.empty() ? "" : "; ") + std::string("gateway ") + gateway->what.name + " is down: " + gateway->reason;
  }
  return down;
}

std::vector<api::LocalGateway> Gateways::status() const {
  std::vector<api::LocalGateway> list;
  for (const auto& [id, gateway] : gateways_) {
    const bool linked = gateway->links.serves();
    api::LocalGateway entry{gateway->what.name, gateway->what.address, linked ? "linked" : "down", std::nullopt,
                            std::nullopt};
    if (gateway->round_trip) entry.round_trip_us = static_cast<std::uint64_t>(gateway->round_trip->count());
    if (!linked) entry.reason = gateway->reason;
    if (auto why = ways_.why_web(id); why && linked) {
      entry.way = "websocket";
      entry.way_address = gateway->what.web_address;
      entry.way_reason = std::move(why);
    }
    list.push_back(std::move(entry));
  }
  return list;
}

void Gateways::probe() {
  ways_.network_changed();
  for (const auto& [id, gateway] : gateways_) {
    gateway->probe_again = true;
    if (gateway->probes.size() == 0) gateway->probes.spawn("probe-gateway", probe_one(*gateway));
  }
}

// The gateway stays: its end waits for this task.
net::Task<> Gateways::probe_one(Gateway& gateway) {
  const Error why{Code::kUnavailable, "the network has changed, and the gateway does not answer", "network_changed",
                  Hop::kAgent};
  while (std::exchange(gateway.probe_again, false)) {
    if (gateway.links.up()) {
      const auto answered = co_await gateway.links.probe_newest(kProbeLimit, why);
      if (!answered && answered.error().code == Code::kCancelled) co_return;
    } else if (gateway.trying) {
      // A network that changes all the time must not end every attempt before it can succeed.
      const auto tried = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::real().boot() - *gateway.trying);
      if (tried < kProbeLimit)
        if (const auto slept = co_await net::sleep_for(kProbeLimit - tried); !slept) co_return;
    }
    if (!gateway.links.up()) {
      gateway.tasks.cancel();
      co_await gateway.tasks.join();
      gateway.trying.reset();
      gateway.round_trip.reset();
      gateway.measurements = 0;
      gateway.reason = "the network has changed; connecting anew";
      changes_.note();
      gateway.tasks.spawn("gateway " + gateway.what.address, keep(gateway));
    }
    const auto retired = co_await gateway.links.probe_retired(kProbeLimit, why);
    if (!retired) co_return;
  }
}

net::Task<> Gateways::stop_one(Gateway& gateway) {
  gateway.probes.cancel();
  co_await gateway.probes.join();
  gateway.tasks.cancel();
  co_await gateway.tasks.join();
}

net::Task<> Gateways::drop(std::unique_ptr<Gateway> gateway) { co_await stop_one(*gateway); }

net::Task<> Gateways::stop() {
  for (auto& [id, gateway] : gateways_) co_await stop_one(*gateway);
  gateways_.clear();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::client
