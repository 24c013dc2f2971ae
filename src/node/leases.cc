#include "node/leases.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/id.h"
#include "base/log.h"
#include "protocols/features.h"

namespace portolan::node {
namespace {

constexpr std::chrono::milliseconds kRequestLimit = std::chrono::seconds(10);
// A client that renews at half-time has this much longer, for the way to the control plane.
constexpr std::chrono::milliseconds kRenewalSlack = std::chrono::seconds(5);

// Why the control plane ends something. Access that was taken away does not come back by itself; what an admin ended or
// changed may be begun anew.
Error ended_by_control_plane(const std::string& reason, std::string_view code) {
  constexpr std::array<std::string_view, 3> kAgain = {"session_ended", "resource_changed", "not_egress"};
  if (std::ranges::find(kAgain, code) != kAgain.end())
    return {Code::kUnavailable, reason, std::string(code), Hop::kControlPlane};
  if (code == "signed_out") return {Code::kUnauthenticated, reason, std::string(code), Hop::kControlPlane};
  return {Code::kDenied, reason, "revoked", Hop::kControlPlane};
}

}  // namespace

LeaseCache::LeaseCache(const net::Executor& executor, api::ControlClient& client, const Clock& clock, std::string node)
    : executor_(executor),
      client_(client),
      clock_(clock),
      node_(std::move(node)),
      understood_(protocols::features_understood()) {}

net::Task<Result<std::shared_ptr<const api::Lease>>> LeaseCache::get(LeaseKey key, std::string assertion,
                                                                     std::optional<std::chrono::milliseconds> away) {
  for (;;) {
    const auto found = entries_.find(key);
    const bool live = found != entries_.end() && found->second.lease && clock_.boot() < found->second.ends;
    const AwayRules rules = rules_when(away, grace_);
    if (live && rules.new_on_cached_leases) co_return found->second.lease;
    if (!rules.new_on_cached_leases)
      co_return std::unexpected(Error{Code::kUnavailable,
                                      "the control plane has been away for too long to begin new sessions",
                                      "control_plane_away", Hop::kEgress});
    const auto asking = asking_.find(key);
    if (asking == asking_.end()) break;
    const auto event = asking->second;
    CO_CHECK(co_await event->wait(kRequestLimit));
    away.reset();  // the one who asked knows better than what was seen before
    const auto answered = entries_.find(key);
    // The other's request was refused or failed: this one asks with its own assertion and gets its own answer.
    if (answered == entries_.end() && !asking_.contains(key)) break;
  }
  auto answer = co_await request(std::move(key), std::move(assertion));
  co_return answer;
}

net::Task<Result<std::shared_ptr<const api::Lease>>> LeaseCache::renew(LeaseKey key, std::string assertion) {
  auto answer = co_await request(key, std::move(assertion));
  if (!answer && !answer.error().retry_can_help()) {
    if (const auto found = entries_.find(key); found != entries_.end()) end(found->second, answer.error());
  }
  co_return answer;
}

net::Task<Result<std::shared_ptr<const api::Lease>>> LeaseCache::request(LeaseKey key, std::string assertion) {
  const auto event = std::make_shared<net::Event>(executor_);
  asking_[key] = event;
  ++requests_;
  // Beside the request, which older control planes decode strictly.
  auto answer = co_await client_.call("POST", "/v1/leases", {{"understands", protocols::join_features(understood_)}},
                                      json::encode(api::LeaseRequest{std::move(assertion), make_id("rq")}));
  if (const auto mine = asking_.find(key); mine != asking_.end() && mine->second == event) asking_.erase(mine);
  Result<std::shared_ptr<const api::Lease>> result = fail(Code::kInternal, "no lease");
  if (!answer) {
    result = std::unexpected(std::move(answer).error().at(Hop::kControlPlane));
  } else {
    // Strictly: what this node does not understand it must not serve.
    auto lease = json::decode<api::Lease>(*answer, json::Unknown::kRefuse);
    wipe(std::as_writable_bytes(std::span(answer->data(), answer->size())));
    result = lease ? take_over(key, std::move(*lease))
                   : std::unexpected(std::move(lease).error().within("lease from the control plane"));
  }
  if (--requests_ == 0) overtaken_.clear();
  event->set();
  co_return result;
}

Result<std::shared_ptr<const api::Lease>> LeaseCache::take_over(const LeaseKey& key, api::Lease lease) {
  PL_CHECK(api::check_lease(lease, understood_));
  if (lease.account != key.account || lease.device != key.device || lease.resource != key.resource ||
      lease.node != node_)
    return fail(Code::kProtocol, "the control plane gave a lease for somebody else");
  if (overtaken_.contains(lease.id))
    return std::unexpected(Error{Code::kDenied, "access was taken away", "revoked", Hop::kControlPlane});
  const auto life = std::chrono::milliseconds(std::min<std::uint64_t>(lease.life_ms, 24ULL * 3600 * 1000));
  grace_ = life;
  Entry& entry = entries_[key];
  const bool same_credential = entry.lease && entry.lease->username == lease.username &&
                               entry.lease->password.reveal() == lease.password.reveal();
  if (!same_credential) {
    forget(entry);
    entry.derived = std::make_shared<protocols::DerivedKeys>();
  }
  entry.lease = std::make_shared<const api::Lease>(std::move(lease));
  entry.ends = clock_.boot() + life;
  return entry.lease;
}

Result<std::shared_ptr<protocols::DerivedKeys>> LeaseCache::hold(const LeaseKey& key, LeaseHolder& holder) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.lease) return fail(Code::kDenied, "access was taken away", "revoked");
  found->second.holders.insert(&holder);
  return found->second.derived;
}

void LeaseCache::release(const LeaseKey& key, LeaseHolder& holder) {
  if (const auto found = entries_.find(key); found != entries_.end()) found->second.holders.erase(&holder);
}

std::shared_ptr<const api::Lease> LeaseCache::newest(const LeaseKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.lease;
}

void LeaseCache::forget(Entry& entry) {
  entry.lease.reset();
  if (entry.derived) entry.derived->end();
}

void LeaseCache::end(Entry& entry, const Error& reason) {
  forget(entry);
  for (LeaseHolder* holder : std::exchange(entry.holders, {})) holder->lease_ended(reason);
}

void LeaseCache::revoke(const std::vector<std::string>& leases, const std::string& reason, std::string_view code) {
  const std::set<std::string> ids(leases.begin(), leases.end());
  if (requests_ > 0) overtaken_.insert(leases.begin(), leases.end());
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (!entry->second.lease || !ids.contains(entry->second.lease->id)) {
      ++entry;
      continue;
    }
    log::info("lease revoked", {{"account", entry->first.account},
                                {"resource", entry->first.resource},
                                {"why", reason},
                                {"sessions", entry->second.holders.size()}});
    end(entry->second, ended_by_control_plane(reason, code));
    entry = entries_.erase(entry);
  }
}

void LeaseCache::end_session(const std::string& session, const std::string& reason, std::string_view code) {
  for (auto& [key, entry] : entries_)
    for (LeaseHolder* holder : entry.holders)
      if (holder->session_id() == session) {
        entry.holders.erase(holder);
        forget(entry);  // what may not go on may not begin again on the same lease
        holder->lease_ended(ended_by_control_plane(reason, code));
        return;
      }
}

void LeaseCache::end_all(const Error& reason) {
  for (auto& [key, entry] : entries_) end(entry, reason);
  entries_.clear();
}

void LeaseCache::forget_unused() {
  std::erase_if(entries_, [](const auto& entry) { return entry.second.holders.empty(); });
}

void LeaseCache::sweep(std::optional<std::chrono::milliseconds> away) {
  const BootTime now = clock_.boot();
  const bool keep = rules_when(away, grace_).keep_live_sessions;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    Entry& held = entry->second;
    const bool over =
        !held.lease || now >= held.ends + (held.holders.empty() ? std::chrono::milliseconds(0) : kRenewalSlack);
    if (!held.holders.empty()) {
      if (!keep)
        end(held, Error{Code::kUnavailable, "the control plane has been away for too long", "control_plane_away",
                        Hop::kEgress});
      else if (over && !away)
        end(held, Error{Code::kDenied, "the session's lease was not renewed", "lease_ended", Hop::kEgress});
    }
    if (held.holders.empty() && over)
      entry = entries_.erase(entry);
    else
      ++entry;
  }
}

std::vector<api::LiveSession> LeaseCache::live() const {
  std::vector<api::LiveSession> sessions;
  for (const auto& [key, entry] : entries_)
    for (const LeaseHolder* holder : entry.holders)
      sessions.push_back({holder->session_id(), entry.lease ? entry.lease->id : "", key.account, key.resource});
  return sessions;
}

std::size_t LeaseCache::sessions() const {
  std::size_t count = 0;
  for (const auto& [key, entry] : entries_) count += entry.holders.size();
  return count;
}

}  // namespace portolan::node
