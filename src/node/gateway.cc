#include "node/gateway.h"

#include <algorithm>

#include "api/lease.h"
#include "base/id.h"
#include "base/log.h"
#include "net/loop.h"
#include "node/gateway_refusal.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kMeasureEvery = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kPingLimit = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kLook = std::chrono::milliseconds(5);
constexpr int kToldAtOnce = 32;
constexpr std::chrono::milliseconds kToldEvery = std::chrono::milliseconds(20);
// For other gateways to hear that this one is leaving, before their paths end and go on elsewhere.
constexpr std::chrono::milliseconds kHeard = std::chrono::milliseconds(200);
constexpr std::ptrdiff_t kLinksPerAccount = 256;  // each device of a person needs one

}  // namespace

Gateway::Gateway(const net::Executor& executor, const ControlWatch& watch, const Clock& clock,
                 std::size_t streams_per_account, Shares& memory, Beyond beyond)
    : watch_(watch),
      clock_(clock),
      streams_per_account_(streams_per_account),
      memory_(memory),
      beyond_(std::move(beyond)),
      splices_(executor, clock, {}),
      relay_linked_(executor),
      transits_(executor, beyond_.self, watch, memory,
                {[this](PathRequest path, std::unique_ptr<tunnel::Incoming> incoming) {
                   tasks_.spawn("forward", forward(std::move(path), std::move(incoming)));
                 },
                 [this](const std::string& gateway) { splices_.end_from(gateway); }, [this] { ++counters_.refused; }}),
      tasks_(executor) {}

void Gateway::serve_user(tunnel::AcceptedLink accepted) {
  auto identity = crypto::parse_user_identity(accepted.link.peer);
  if (!identity) {
    log::warn("user link from somebody who is no user", {{"peer", accepted.link.peer}});
    return;
  }
  const auto same = [&](const auto& user) { return user->identity.account == identity->account; };
  if (std::ranges::count_if(users_, same) >= kLinksPerAccount) {
    log::warn("too many links of one account", {{"account", identity->account}});
    return;
  }
  for (const auto& older : users_)
    if (older->identity == *identity && tunnel::succeeds(accepted.link.certificate, older->certificate)) {
      older->certificate = accepted.link.certificate;
      older->ends.reset();
    }
  const auto user = std::make_shared<User>(User{*identity, accepted.link.certificate, nullptr});
  ++counters_.links;
  users_.push_back(user);
  log::info(
      "client linked",
      {{"account", identity->account}, {"device", identity->device}, {"from", accepted.fresh.stream->describe()}});
  std::weak_ptr<User> weak = user;
  user->link = tunnel::start_mux(
      std::move(accepted), {.mux = {.shared = memory_.of(identity->account)}},
      [this, who = *identity](std::unique_ptr<tunnel::Incoming> incoming) {
        const auto& request = incoming->request();
        const auto kind = request.headers.find(tunnel::kPathHeader);
        const bool spliced = kind != request.headers.end() && kind->second == tunnel::kPathSpliced;
        tasks_.spawn("forward", forward({who, request.authority, {}, spliced, tunnel::read_wait(request.headers)},
                                        std::move(incoming)));
      },
      [this, weak](const Error& why) {
        log::info("client link ended", {{"why", why}});
        net::post(tasks_.executor(), [this, weak] {
          if (const auto ended = weak.lock()) remove(ended);
        });
      });
  if (leaving_) user->link->mux->drain();
}

void Gateway::serve_reverse(tunnel::AcceptedLink accepted) {
  auto identity = crypto::parse_node_identity(accepted.link.peer);
  if (!identity) {
    log::warn("reverse link from somebody who is no node", {{"peer", accepted.link.peer}});
    return;
  }
  const auto known = relays_.find(identity->node);
  if (known != relays_.end()) {
    if (!(known->second->certificate.public_key() == accepted.link.certificate.public_key())) {
      log::warn("a second link for a node came with another key and was refused", {{"node", identity->node}});
      return;
    }
    retire(known->second, accepted.link);
  }
  const auto relay = std::make_shared<Relay>(Relay{identity->node, accepted.link.certificate, nullptr});
  ++counters_.links;
  relays_[identity->node] = relay;
  log::info("relay linked", {{"node", identity->node}});
  std::weak_ptr<Relay> weak = relay;
  // One account's streams reach the end of its own share long before that of this link, which is everybody's.
  relay->link =
      tunnel::start_mux(std::move(accepted), {.mux = {.budget = memory_.all()->limit, .shared = memory_.all()}},
                        nullptr, [this, weak](const Error& why) {
                          log::info("relay link ended", {{"why", why}});
                          net::post(tasks_.executor(), [this, weak] {
                            if (const auto ended = weak.lock()) remove(ended);
                          });
                        });
  tasks_.spawn("measure relay", measure(relay));
  if (leaving_) relay->link->mux->drain();
  relay_linked_.set();
}

net::Task<> Gateway::measure(std::weak_ptr<Relay> weak) {
  for (;;) {
    if (const auto relay = weak.lock(); relay && !relay->link->mux->ended()) {
      const auto measured = co_await relay->link->mux->ping(kPingLimit);
      if (!measured && measured.error().code == Code::kCancelled) co_return;
      if (measured) relay->round_trip = relay->round_trip ? (*relay->round_trip * 7 + *measured) / 8 : *measured;
    } else {
      co_return;
    }
    const auto slept = co_await net::sleep_for(kMeasureEvery);
    if (!slept) co_return;
  }
}

std::vector<api::NodeLink> Gateway::health() const {
  std::vector<api::NodeLink> links;
  for (const auto& [id, relay] : relays_) {
    api::NodeLink link{id, "", "up", {}, {}};
    if (relay->round_trip) link.round_trip_us = static_cast<std::uint64_t>(relay->round_trip->count());
    links.push_back(std::move(link));
  }
  return links;
}

void Gateway::retire(std::shared_ptr<Relay> older, const tunnel::Link& newer) {
  if ((newer.agreed.features & tunnel::kSuccessor) == 0) {
    older->link->mux->close(refusal(Code::kConflict, "replaced by a newer link of the same node", "replaced"));
    return;
  }
  retired_.push_back(std::move(older));
  for (const auto& each : retired_)
    if (each->node == retired_.back()->node && tunnel::succeeds(newer.certificate, each->certificate))
      each->certificate = newer.certificate;
  retired_.back()->link->mux->drain();
}

// A spliced path goes when its ends have no link here any more: what ends those ends it. But a link on which nothing
// runs ends when this gateway leaves, and then the path is looked after by what its client has proven.
void Gateway::remove(const std::shared_ptr<User>& user) {
  users_.remove(user);
  if (std::ranges::any_of(users_, [&](const auto& other) { return other->identity == user->identity; })) return;
  if (leaving_)
    left_.push_back(user);
  else
    splices_.end_user(user->identity);
}

void Gateway::leave() {
  leaving_ = true;
  tasks_.spawn("leave", tell_leaving());
}

// Some at a time: each client makes its handshakes elsewhere then, and nothing of theirs is cut off meanwhile. Relays
// come last: until everybody has heard, somebody may still ask for a path.
net::Task<> Gateway::tell_leaving() {
  transits_.drain();
  int told = 0;
  for (const auto& user : std::list(users_)) {
    user->link->mux->drain();
    if (++told % kToldAtOnce != 0) continue;
    if (const auto slept = co_await net::sleep_for(kToldEvery); !slept) co_return;
  }
  if (const auto slept = co_await net::sleep_for(kHeard); !slept) co_return;
  for (const auto& relay : all_relays()) relay->link->mux->drain();
  end_transits([](const auto&) { return true; },
               refusal(Code::kUnavailable, "the gateway is leaving", std::string(api::kNodeStopping)));
}

void Gateway::remove(const std::shared_ptr<Relay>& relay) {
  const auto found = relays_.find(relay->node);
  if (found != relays_.end() && found->second == relay) relays_.erase(found);
  retired_.remove(relay);
  if (std::ranges::any_of(all_relays(), [&](const auto& other) { return other->node == relay->node; })) return;
  if (leaving_)
    left_relays_.push_back(relay);
  else
    splices_.end_relay(relay->node);
}

GatewayCounters Gateway::counters() const {
  GatewayCounters all = counters_;
  all.streams += splices_.joined();
  all.bytes += splices_.bytes();
  return all;
}

void Gateway::end_transits(const std::function<bool(const crypto::UserIdentity&)>& which, const Error& why) {
  for (const auto& transit : std::list(running_))
    if (which(transit->user)) transit->stop.stop(why);
  splices_.end_those([&](const Splices::Ends& ends) { return !ends.from.empty() && which(ends.user); });
}

// As links of people: with the time to tell them why. The gateway that has their link ends it, too, unless it has not
// heard of it.
void Gateway::end_denied_transits() {
  const IndexedView* view = watch_.view();
  if (!view) return;
  std::erase_if(denied_, [&](const auto& known) { return !view->denies(known.first.first, known.first.second); });
  const auto over = [&](const crypto::UserIdentity& user) {
    if (!view->denies(user.account, user.device)) return false;
    const auto [ends, first] = denied_.try_emplace({user.account, user.device}, clock_.boot() + kGoodbye);
    return clock_.boot() >= ends->second;
  };
  end_transits(over, refusal(Code::kDenied, "access was taken away", "revoked"));
}

std::optional<Error> Gateway::why_over(User& user) const {
  const IndexedView* view = watch_.view();
  const bool expired = clock_.wall() >= user.certificate.not_after();
  const bool denied = view && view->denies(user.identity.account, user.identity.device, user.certificate.serial());
  if (!expired && !denied) return std::nullopt;
  if (!user.ends) user.ends = clock_.boot() + kGoodbye;
  if (clock_.boot() < *user.ends) return std::nullopt;
  return refusal(Code::kDenied, expired ? "the sign-in has ended" : "access was taken away",
                 expired ? "sign_in_ended" : "revoked");
}

std::optional<Error> Gateway::why_over(const Relay& relay) const {
  const IndexedView* view = watch_.view();
  const bool expired = clock_.wall() >= relay.certificate.not_after();
  if (!expired && !(view && view->denies_serial(relay.certificate.serial()))) return std::nullopt;
  return refusal(Code::kDenied, expired ? "the node's certificate has run out" : "the node was revoked", "revoked");
}

void Gateway::end_denied() {
  for (const auto& user : std::list(users_))
    if (const auto why = why_over(*user)) user->link->mux->close(*why);
  std::erase_if(left_, [&](const auto& user) {
    const bool over = why_over(*user).has_value();
    if (over) splices_.end_user(user->identity);
    return over;
  });
  for (const auto& relay : all_relays())
    if (const auto why = why_over(*relay)) relay->link->mux->close(*why);
  std::erase_if(left_relays_, [&](const auto& relay) {
    const bool over = why_over(*relay).has_value();
    if (over) splices_.end_relay(relay->node);
    return over;
  });
  transits_.end_denied(clock_.wall());
  end_denied_transits();
}

void Gateway::end_untrusted(const tunnel::LinkIdentity& trust) {
  const Error why = refusal(Code::kDenied, "the authority of its certificate is not trusted any more", "revoked");
  for (const auto& user : std::list(users_))
    if (!tunnel::issued_by_any(user->certificate, trust.user_trust)) user->link->mux->close(why);
  for (const auto& user : left_)
    if (!tunnel::issued_by_any(user->certificate, trust.user_trust)) splices_.end_user(user->identity);
  for (const auto& relay : all_relays())
    if (!tunnel::issued_by_any(relay->certificate, trust.node_trust)) relay->link->mux->close(why);
  for (const auto& relay : left_relays_)
    if (!tunnel::issued_by_any(relay->certificate, trust.node_trust)) splices_.end_relay(relay->node);
  transits_.end_untrusted(trust, why);
}

std::list<std::shared_ptr<Gateway::Relay>> Gateway::all_relays() const {
  auto all = retired_;
  for (const auto& [node, relay] : relays_) all.push_back(relay);
  return all;
}

net::Task<> Gateway::stop(Error why) {
  for (const auto& user : std::list(users_)) user->link->mux->close(why);
  for (const auto& relay : all_relays()) relay->link->mux->close(why);
  transits_.close(why);
  // Each goes when its last words have left, or it has waited long enough for that.
  while (!users_.empty() || !relays_.empty() || !retired_.empty() || transits_.size() > 0) {
    const auto slept = co_await net::sleep_for(kLook);
    if (!slept) break;
  }
  tasks_.cancel();
  co_await tasks_.join();
  co_await splices_.stop();
  users_.clear();
  left_.clear();
  left_relays_.clear();
  relays_.clear();
  retired_.clear();
}

}  // namespace portolan::node
