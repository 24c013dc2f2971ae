#include "control/leases.h"

#include <algorithm>
#include <utility>

#include "api/assertion.h"
#include "base/id.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "directory/egress.h"
#include "protocols/features.h"

namespace portolan::control {
namespace {

constexpr auto kNonceMemory = api::kAssertionLifeLimit + 2 * api::kClockSlack;
constexpr std::size_t kRequestLimit = 64;
// Of one node, that are taken in on its word: every change of the directory looks at all there are.
constexpr std::size_t kTakenInLimit = 20'000;

std::string name_of_account(const directory::Snapshot& snapshot, std::string_view id) {
  const auto found = snapshot.accounts.find(id);
  return found == snapshot.accounts.end() ? std::string(id) : found->second.email;
}

std::string name_of_resource(const directory::Snapshot& snapshot, std::string_view id) {
  const auto found = snapshot.resources.find(id);
  return found == snapshot.resources.end() ? std::string(id) : found->second.name;
}

// A lease is for the resource as it was: when any of this changes, what runs on it runs on something else.
std::string target_of(const directory::Resource& resource) {
  const std::vector<std::string> parts = {resource.type,
                                          resource.host,
                                          std::to_string(resource.port),
                                          json::encode(resource.settings),
                                          resource.username,
                                          resource.sealed_password,
                                          resource.sealed_tls_key};
  return hex(crypto::sha256(as_bytes(json::encode(parts))));
}

Result<> check_egress(const directory::Snapshot& snapshot, const std::string& id, const directory::Resource& resource) {
  const auto node = snapshot.nodes.find(id);
  const auto verdict = node == snapshot.nodes.end() ? directory::EgressVerdict::kRevoked
                                                    : directory::egress_verdict(snapshot, resource, node->second);
  if (verdict == directory::EgressVerdict::kMay) return {};
  std::string message = "this node may not be the egress of " + quoted(resource.name);
  if (node != snapshot.nodes.end()) message += ": " + directory::explain(snapshot, resource, {&node->second, verdict});
  return fail(Code::kDenied, std::move(message), "not_egress");
}

// The assertion, proven to come from the device that it names.
Result<api::Assertion> proven(const Lookup& lookup, const std::string& node, const std::string& text, WallTime now) {
  PL_TRY(const auto claimed, api::parse_assertion(text));
  const auto& devices = lookup.snapshot().devices;
  const auto device = devices.find(claimed.device);
  if (device == devices.end() || device->second.account != claimed.account)
    return fail(Code::kDenied, "the access assertion is by a device that is not registered; run `portolan login`",
                "unknown_device");
  PL_TRY(const auto key, crypto::PublicKey::from_pem(device->second.public_key));
  auto assertion = api::verify_assertion(text, key);
  // Not the caller's own proof: the node is who it says, and is denied.
  if (!assertion) return fail(Code::kDenied, std::move(assertion).error().message, "bad_assertion");
  if (assertion->node != node)
    return fail(Code::kDenied, "the access assertion is for another node (" + quoted(assertion->node) + ")",
                "wrong_node");
  PL_CHECK(api::check_time(*assertion, now));
  return assertion;
}

}  // namespace

Result<> NonceUses::use(const Nonce& nonce, const std::string& account, const std::string& node,
                        const std::string& request, BootTime now) {
  while (!order_.empty() && order_.front().first + kNonceMemory <= now) {
    const auto over = uses_.find(order_.front().second);
    if (const auto share = shares_.find(over->second.account); --share->second == 0) shares_.erase(share);
    uses_.erase(over);
    order_.pop_front();
  }
  if (const auto found = uses_.find(nonce); found != uses_.end()) {
    if (found->second.node == node && found->second.request == request) return {};
    return fail(Code::kDenied, "the access assertion has been used before", "assertion_replayed");
  }
  const auto mine = shares_.find(account);
  if (uses_.size() >= limit_ || (mine != shares_.end() && mine->second >= share_))
    return fail(Code::kLimit, "too many access assertions at once; try again in a moment");
  uses_.emplace(nonce, Use{account, node, request});
  ++shares_[account];
  order_.emplace_back(now, nonce);
  return {};
}

Error denial(const directory::Snapshot& snapshot, std::string_view account, std::string_view resource,
             const directory::Decision& decision) {
  const std::string who = name_of_account(snapshot, account);
  const std::string what = quoted(name_of_resource(snapshot, resource));
  std::string message;
  if (decision.code == "no_grant") {
    message = who + " may not use " + what + ": no role of theirs has a grant for it; ask an admin";
  } else if (decision.code == "grant_ended") {
    message = who + " may not use " + what + " any more: the grant has ended; ask an admin";
  } else if (decision.code == "grant_not_begun") {
    message = who + " may not use " + what + " yet: the grant begins later; ask an admin";
  } else if (decision.code == "account_suspended") {
    message = who + " may not use " + what + ": the account is suspended; ask an admin";
  } else if (decision.code == "unknown_account") {
    message = "the account " + quoted(account) + " does not exist any more; ask an admin";
  } else if (decision.code == "unknown_resource") {
    message = "the resource " + quoted(resource) + " does not exist any more; ask an admin";
  } else {
    message = who + " may not use " + what;
    for (const auto& reason : decision.reasons) message += "; " + reason;
  }
  return Error{Code::kDenied, std::move(message), decision.code, Hop::kControlPlane};
}

std::string password_context(std::string_view resource) { return "resource/" + std::string(resource) + "/password"; }

std::string tls_key_context(std::string_view resource) { return "resource/" + std::string(resource) + "/tls_key"; }

// Until when, if nothing changes.
Result<WallTime> Leases::may_go_on(const Lookup& lookup, const Live& live) const {
  const auto& snapshot = lookup.snapshot();
  const WallTime now = clock_.wall();
  const auto decision = directory::allow(snapshot, live.account, live.resource, now, &lookup.access());
  if (!decision.allowed) return std::unexpected(denial(snapshot, live.account, live.resource, decision));
  const auto* sign_in = lookup.lasting_sign_in(live.account, live.device, now);
  if (!sign_in)
    return fail(Code::kDenied,
                "the sign-in of " + name_of_account(snapshot, live.account) + " has ended; run `portolan login`",
                "signed_out");
  const auto& resource = snapshot.resources.find(live.resource)->second;
  PL_CHECK(check_egress(snapshot, live.node, resource));
  // The revision (0: from before there were any) spares the hash: every change of the directory looks at every lease.
  const bool untouched = resource.revision != 0 && resource.revision == live.resource_revision;
  if (!live.target.empty() && !untouched && live.target != target_of(resource))
    return fail(Code::kDenied,
                "the resource " + quoted(name_of_resource(snapshot, live.resource)) + " was changed; connect again",
                "resource_changed");
  const WallTime until = std::min(sign_in->ends, decision.valid_until.value_or(sign_in->ends));
  if (until > now) return until;
  return fail(Code::kDenied,
              "the permission to use " + quoted(name_of_resource(snapshot, live.resource)) + " has ended",
              "grant_ended");
}

// A lease that the node would not keep to, or not understand at all, is not given.
Result<> Leases::check_understood(const Lookup& lookup, const Live& live, const std::vector<std::string>& needed,
                                  const std::vector<std::string>& understood) {
  const auto missing = protocols::features_missing(needed, understood);
  if (missing.empty()) return {};
  const auto node = lookup.snapshot().nodes.find(live.node);
  return fail(Code::kDenied,
              "the node " + quoted(node == lookup.snapshot().nodes.end() ? live.node : node->second.name) +
                  " is of an older release and cannot serve " +
                  quoted(name_of_resource(lookup.snapshot(), live.resource)) + ", which needs " +
                  protocols::features_in_words(missing) + "; an admin has to upgrade the node",
              std::string(api::kLeaseNotUnderstood));
}

Result<Secret> Leases::open(const std::string& sealed, const std::string& context, const std::string& what) const {
  if (sealed.empty()) return Secret();
  auto opened = sealing_.open(sealed, context);
  if (!opened) return std::unexpected(std::move(opened).error().within(what));
  return std::move(*opened);
}

Result<api::Lease> Leases::grant(const Lookup& lookup, const std::string& node, const api::LeaseRequest& request,
                                 const std::vector<std::string>& understood) {
  if (request.request.empty() || request.request.size() > kRequestLimit)
    return fail(Code::kInvalid, "request: must be 1 to " + std::to_string(kRequestLimit) + " bytes");
  const WallTime now = clock_.wall();
  PL_TRY(const auto assertion, proven(lookup, node, request.assertion, now));
  PL_CHECK(nonces_.use(assertion.nonce, assertion.account, node, request.request, clock_.boot()));
  Live live{assertion.account, assertion.device, assertion.resource, node};
  PL_TRY(const WallTime until, may_go_on(lookup, live));
  const auto& resource = lookup.snapshot().resources.find(live.resource)->second;
  api::Lease lease;
  lease.must_understand = protocols::features_needed(resource.type, resource.settings);
  PL_CHECK(check_understood(lookup, live, lease.must_understand, understood));
  PL_TRY(lease.password,
         open(resource.sealed_password, password_context(resource.id), "password of " + quoted(resource.name)));
  // A node that does not know the member refuses a lease that has it.
  if (!resource.sealed_tls_key.empty()) {
    PL_TRY(lease.tls_key,
           open(resource.sealed_tls_key, tls_key_context(resource.id), "tls_key of " + quoted(resource.name)));
  }
  // The setting is among what the node must understand, and so is then this member.
  if (const auto header = resource.settings.find(std::string(kIdentitySetting));
      header != resource.settings.end() && !header->second.empty()) {
    PL_TRY(lease.identity_token, identity_tokens_.make(lookup, live.account, live.resource, now, until));
  }
  live.target = target_of(resource);
  live.resource_revision = resource.revision;
  const auto life = std::min<std::chrono::milliseconds>(life_, until - now);
  live.ends = clock_.boot() + life;
  lease.account = live.account;
  lease.email = lookup.snapshot().accounts.find(live.account)->second.email;
  lease.device = live.device;
  lease.resource = live.resource;
  lease.node = node;
  lease.name = resource.name;
  lease.type = resource.type;
  lease.host = resource.host;
  lease.port = resource.port;
  lease.settings = resource.settings;
  lease.username = resource.username;
  lease.life_ms = static_cast<std::uint64_t>(life.count());
  lease.id = keep(std::move(live));
  return lease;
}

const std::string& Leases::keep(Live live) {
  forget_ended();
  auto& id = by_key_[key_of(live)];
  if (id.empty()) id = make_id("l");
  live_[id] = std::move(live);
  return id;
}

void Leases::forget(const std::string& id) {
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  if (const auto newest = by_key_.find(key_of(found->second)); newest != by_key_.end() && newest->second == id)
    by_key_.erase(newest);
  live_.erase(found);
}

// Kept for one more life: while the control plane is away, sessions go on that long without renewal.
void Leases::forget_ended() {
  if (clock_.boot() < next_sweep_) return;
  next_sweep_ = clock_.boot() + std::chrono::seconds(1);
  std::vector<std::string> ended;
  for (const auto& [id, live] : live_)
    if (live.ends + life_ <= clock_.boot()) ended.push_back(id);
  for (const auto& id : ended) forget(id);
}

Result<> Leases::take_in(const Lookup& lookup, const std::string& node, const api::LiveSession& session) {
  if (!is_id(session.lease, "l")) return fail(Code::kInvalid, "not a lease: " + quoted(session.lease));
  Live live{session.account, {}, session.resource, node};
  live.ends = clock_.boot() + life_;
  PL_CHECK(may_go_on(lookup, live));
  const auto& resource = lookup.snapshot().resources.find(live.resource)->second;
  live.target = target_of(resource);
  live.resource_revision = resource.revision;
  live_[session.lease] = std::move(live);
  return {};
}

api::LiveSessionsAnswer Leases::check(const Lookup& lookup, const std::string& node,
                                      const api::LiveSessions& sessions) {
  api::LiveSessionsAnswer answer;
  auto known = static_cast<std::size_t>(
      std::ranges::count_if(live_, [&](const auto& entry) { return entry.second.node == node; }));
  for (const auto& session : sessions.sessions) {
    Result<> keeps;
    if (const auto found = live_.find(session.lease); found == live_.end()) {
      keeps = known++ < kTakenInLimit ? take_in(lookup, node, session)
                                      : fail(Code::kLimit, "this node has more leases than are known here");
    } else if (const Live& live = found->second;
               live.node != node || live.account != session.account || live.resource != session.resource) {
      keeps = fail(Code::kDenied, "the session does not belong to its lease", "wrong_lease");
    } else if (const auto until = may_go_on(lookup, live); !until) {
      keeps = std::unexpected(until.error());
    } else {
      found->second.ends = std::max(found->second.ends, clock_.boot());  // known as long as something lives on it
    }
    if (!keeps)
      answer.end.push_back({session.session, keeps.error().message, std::string(keeps.error().stable_code())});
  }
  return answer;
}

void Leases::reevaluate(const Lookup& lookup) {
  forget_ended();
  struct Revoked {
    Error why;
    std::vector<std::string> ids;
  };
  std::map<std::pair<std::string, std::string>, Revoked> revoked;  // by node and reason
  for (const auto& [id, live] : live_)
    if (const auto until = may_go_on(lookup, live); !until) {
      Revoked& same = revoked[{live.node, until.error().message}];
      same.why = until.error();
      same.ids.push_back(id);
    }
  for (auto& [to, what] : revoked) {
    for (const auto& id : what.ids) forget(id);
    on_revoke_(to.first, std::move(what.ids), what.why);
  }
}

}  // namespace portolan::control
