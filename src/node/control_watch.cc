#include "node/control_watch.h"

#include "base/json.h"
#include "base/log.h"
#include "net/backoff.h"

namespace portolan::node {

AwayRules rules_when(std::optional<std::chrono::milliseconds> away, std::chrono::milliseconds grace) {
  if (!away) return {.renew = true, .new_on_cached_leases = true, .keep_live_sessions = true};
  // Shortly away and away within the grace differ in what is asked of the control plane, which cannot answer in either.
  if (*away < std::max(grace, std::chrono::milliseconds(std::chrono::seconds(15))))
    return {.renew = false, .new_on_cached_leases = true, .keep_live_sessions = true};
  return {};
}

IndexedView::IndexedView(api::NodeView from)
    : view(std::move(from)),
      denied_accounts(view.denied_accounts.begin(), view.denied_accounts.end()),
      denied_devices(view.denied_devices.begin(), view.denied_devices.end()),
      denied_serials(view.denied_serials.begin(), view.denied_serials.end()) {
  for (const auto& account : view.accounts) reach[account.account].insert(account.nodes.begin(), account.nodes.end());
  for (const auto& node : view.nodes)
    if (node.kind == "gateway") gateways.insert(node.id);
  if (view.next_hops)
    for (const auto& hop : *view.next_hops) next_hops[hop.node] = hop.via;
}

bool IndexedView::account_may_reach(const std::string& account, const std::string& node) const {
  const auto found = reach.find(account);
  return found != reach.end() && found->second.contains(node);
}

bool IndexedView::denies(const std::string& account, const std::string& device, const std::string& serial) const {
  return denies(account, device) || denied_serials.contains(serial);
}

ControlWatch::ControlWatch(const net::Executor& executor, api::ControlClient& client, const Clock& clock,
                           std::map<std::string, std::string> facts, Listeners listeners)
    : client_(client),
      clock_(clock),
      facts_(std::move(facts)),
      listeners_(std::move(listeners)),
      down_since_(clock.boot()),
      tasks_(executor) {
  facts_["watch"] = "1";
  tasks_.spawn("control-watch", follow(newest_));
}

void ControlWatch::begin_anew(std::string trust_version) {
  facts_["trust"] = std::move(trust_version);
  tasks_.spawn("control-watch", follow(++newest_));
}

std::optional<std::chrono::milliseconds> ControlWatch::away() const {
  if (!down_since_) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.boot() - *down_since_);
}

net::Task<> ControlWatch::follow(std::uint64_t generation) {
  net::Backoff backoff;
  for (;;) {
    bool first = true;
    const auto ended = co_await client_.watch("/v1/node", facts_, [this, generation, &first](std::string_view line) {
      return take_line(generation, first, line);
    });
    if (!ended && ended.error().code == Code::kCancelled) co_return;
    if (generation != newest_) co_return;
    if (!first) backoff.reset();
    if (!down_since_) down_since_ = clock_.boot();
    refused_ = !ended && ended.error().code == Code::kUnauthenticated;
    revoked_ = revoked_ || (refused_ && ended.error().reason == "node_revoked");
    log::warn("control plane is away", {{"why", ended ? std::string("watch ended") : ended.error().message}});
    const auto slept = co_await net::sleep_for(backoff.next());
    if (!slept) co_return;
    if (generation != newest_) co_return;
  }
}

// A control plane that has just begun knows of no links yet, and says nothing of ways: those from before go on.
void ControlWatch::keep_ways(api::NodeView& view) const {
  if (!view_) return;
  if (!view.dial) view.dial = view_->view.dial;
  if (!view.next_hops) view.next_hops = view_->view.next_hops;
}

Result<> ControlWatch::take_line(std::uint64_t generation, bool& first, std::string_view line) {
  if (generation < talking_) return fail(Code::kEof, "a newer watch has begun");
  talking_ = generation;
  PL_TRY(auto event, json::decode<api::NodeEvent>(line, json::Unknown::kIgnore));
  const bool begins = std::exchange(first, false);
  refused_ = false;
  if (down_since_) {
    down_since_.reset();
    log::info("control plane is there");
  }
  if (event.kind == "trust" && event.trust) {
    if (listeners_.on_trust) listeners_.on_trust(*event.trust);
  } else if (event.kind == "view" && event.view) {
    keep_ways(*event.view);
    view_.emplace(std::move(*event.view));
    listeners_.on_view();
  } else if (event.kind == "revoke" && event.leases) {
    listeners_.on_revoke(*event.leases, event.reason.value_or("access was taken away"), event.code.value_or(""));
  } else if (event.kind == "end" && event.sessions) {
    for (const auto& session : *event.sessions)
      listeners_.on_end(session, event.reason.value_or("ended by an admin"), event.code.value_or("session_ended"));
  } else if (event.kind == "health") {
    listeners_.on_health_wanted();
  }
  if (begins) listeners_.on_connected();
  return {};
}

}  // namespace portolan::node
