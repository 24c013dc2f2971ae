#include "control/rotation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "control/identity_tokens.h"
#include "directory/certificates.h"

namespace portolan::control {
namespace {

constexpr std::chrono::milliseconds kStep = std::chrono::seconds(1);
// After a start, until those who were here before are here again: who is not heard of is not waited for.
constexpr std::chrono::milliseconds kSettle = std::chrono::seconds(20);
constexpr std::chrono::milliseconds kOverlap = std::chrono::days(30);
constexpr std::chrono::milliseconds kLongest = std::chrono::days(3650);
constexpr std::size_t kTrustedLimit = 4;  // of one purpose
// Applications fetch the JWKS again when its time has come: nobody knows who has.
constexpr std::chrono::milliseconds kPublished = std::chrono::hours(1);
constexpr std::array<std::string_view, 4> kRotated = {"user", "node", "server", kIdentityPurpose};

Result<> check_purpose(std::string_view purpose) {
  if (std::ranges::find(kRotated, purpose) != kRotated.end()) return {};
  return fail(Code::kNotFound, "there is no authority " + quoted(purpose) + ": it is user, node, server or identity");
}

std::vector<directory::Authority> those(const directory::Snapshot& snapshot, std::string_view purpose,
                                        std::string_view state) {
  std::vector<directory::Authority> found;
  for (const auto& [id, authority] : snapshot.authorities)
    if (authority.purpose == purpose && authority.state == state) found.push_back(authority);
  return found;
}

Core::Edit announce(directory::Authority made) {
  return [made = std::move(made)](store::Change& change) -> Result<> {
    const auto& all = change.now().authorities;
    if (!those(change.now(), made.purpose, "announced").empty())
      return fail(Code::kConflict, "a new " + made.purpose + " authority is announced already; activate it first",
                  "rotation_under_way");
    if (std::ranges::count_if(all, [&](const auto& entry) { return entry.second.purpose == made.purpose; }) >=
        static_cast<std::ptrdiff_t>(kTrustedLimit))
      return fail(Code::kConflict,
                  "there are " + std::to_string(kTrustedLimit) + " " + made.purpose +
                      " authorities already; finish the last rotation first",
                  "rotation_under_way");
    return change.put(made);
  };
}

Core::Edit begin_signing(std::string purpose, std::chrono::milliseconds leaf_life, WallTime now) {
  return [purpose = std::move(purpose), leaf_life, now](store::Change& change) -> Result<> {
    auto next = those(change.now(), purpose, "announced");
    if (next.empty())
      return fail(Code::kConflict,
                  "no new " + purpose + " authority is announced; begin with: portolan admin keys rotate " + purpose,
                  "no_rotation");
    auto before = those(change.now(), purpose, "signing");
    for (auto& authority : before) {
      const auto overlap = std::chrono::milliseconds(static_cast<std::int64_t>(next.front().overlap_ms));
      authority.state = "retiring";
      authority.retires = now + std::max(overlap, leaf_life);
      PL_CHECK(change.put(authority));
    }
    next.front().state = "signing";
    next.front().signs_since = now;
    next.front().activates.reset();
    return change.put(next.front());
  };
}

// `only_ended`: those whose time has come.
Core::Edit remove_retiring(std::string purpose, bool only_ended, WallTime now) {
  return [purpose = std::move(purpose), only_ended, now](store::Change& change) -> Result<> {
    const auto retiring = those(change.now(), purpose, "retiring");
    if (retiring.empty() && !only_ended)
      return fail(Code::kConflict, "no " + purpose + " authority is retiring: there is nothing to finish",
                  "no_rotation");
    for (const auto& authority : retiring)
      if (!only_ended || (authority.retires && *authority.retires <= now))
        PL_CHECK(change.remove<directory::Authority>(authority.id));
    return {};
  };
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 10; ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > 10) text += " and " + std::to_string(names.size() - 10) + " more";
  return text;
}

}  // namespace

Rotation::Rotation(Core& core, const TrustReaders& readers) : core_(core), readers_(readers), tasks_(core.executor) {}

// The server authority's leaves are the control plane's own, which are made anew at once.
std::chrono::milliseconds Rotation::leaf_life(std::string_view purpose) const {
  if (purpose == "user") return core_.options.sign_in_life;
  if (purpose == kIdentityPurpose) return identity_token_life(core_.options.lease_life);
  return purpose == "node" ? core_.options.node_life : std::chrono::milliseconds(0);
}

net::Task<Result<>> Rotation::rotate(MakeChange change, std::string purpose, Wish wish) {
  CO_CHECK(check_purpose(purpose));
  for (const auto& given : {wish.overlap, wish.activate_after})
    if (given && (*given < std::chrono::milliseconds(0) || *given > kLongest))
      co_return fail(Code::kInvalid, "overlap and activate_after: at most 3650d");
  const WallTime now = core_.now();
  const bool of_identity = purpose == kIdentityPurpose;
  CO_TRY(auto made, of_identity ? Result<directory::Authority>(make_identity_key(core_.sealing, now))
                                : make_authority(core_.sealing, core_.authorities.organization, purpose, now));
  if (of_identity && !wish.activate_after) wish.activate_after = kPublished;
  // Of what nobody needs longer than its own leaves last.
  const bool brief = purpose == "user" || of_identity;
  const auto overlap = wish.overlap.value_or(brief ? std::chrono::milliseconds(0) : kOverlap);
  made.overlap_ms = static_cast<std::uint64_t>(overlap.count());
  if (wish.activate_after) made.activates = now + *wish.activate_after;
  CO_CHECK(co_await change(announce(std::move(made))));
  if (!wish.now) co_return Result<>{};
  co_return co_await activate(std::move(change), std::move(purpose));
}

net::Task<Result<>> Rotation::activate(MakeChange change, std::string purpose) {
  CO_CHECK(check_purpose(purpose));
  const auto life = leaf_life(purpose);
  co_return co_await change(begin_signing(std::move(purpose), life, core_.now()));
}

net::Task<Result<>> Rotation::finish(MakeChange change, std::string purpose, Force force) {
  CO_CHECK(check_purpose(purpose));
  const auto lookup = core_.lookup();
  const auto users = used_by(lookup->snapshot(), purpose);
  if (!users.empty() && force == Force::kNo)
    co_return fail(Code::kConflict,
                   "still needed by " + listed(users) +
                       "; wait until they have renewed, or finish with --force: then they must join or sign in again",
                   "still_needed");
  co_return co_await change(remove_retiring(std::move(purpose), false, core_.now()));
}

std::vector<std::string> Rotation::used_by(const directory::Snapshot& snapshot, std::string_view purpose) const {
  const auto retiring = those(snapshot, purpose, "retiring");
  if (retiring.empty()) return {};
  if (purpose == "server") return readers_.waiting_for(core_.authorities, purpose);
  if (purpose == kIdentityPurpose) return live_tokens(snapshot);
  // One that is not on record was issued before there was a record: by an authority that is as old.
  const auto needs = [&](const std::string& authority) {
    return authority.empty() || std::ranges::find(retiring, authority, &directory::Authority::id) != retiring.end();
  };
  std::vector<std::string> names;
  if (purpose == "node") {
    for (const auto& [id, node] : snapshot.nodes)
      if (!node.revoked && needs(directory::authority_of(node))) names.push_back(node.name);
    return names;
  }
  for (const auto& [id, sign_in] : snapshot.sign_ins) {
    if (sign_in.ended || sign_in.ends <= core_.now() || !needs(directory::authority_of(sign_in))) continue;
    const auto account = snapshot.accounts.find(sign_in.account);
    const auto device = snapshot.devices.find(sign_in.device);
    if (account != snapshot.accounts.end() && device != snapshot.devices.end())
      names.push_back(account->second.email + " on " + device->second.name);
  }
  return names;
}

// Whose token is how old nobody counts; all of the old key's have ended a token's life after the new one's first.
std::vector<std::string> Rotation::live_tokens(const directory::Snapshot& snapshot) const {
  const auto signing = those(snapshot, kIdentityPurpose, "signing");
  if (signing.empty() || !signing.front().signs_since) return {};
  const WallTime ended = *signing.front().signs_since + leaf_life(kIdentityPurpose);
  if (ended <= core_.now()) return {};
  return {"tokens that are good until " + to_rfc3339(ended)};
}

Rotation::MakeChange Rotation::as_system() {
  return [this](Core::Edit edit) { return core_.change("system", std::move(edit)); };
}

net::Task<Result<>> Rotation::step() {
  const auto lookup = core_.lookup();
  const auto& snapshot = lookup->snapshot();
  const WallTime now = core_.now();
  for (const std::string_view purpose : kRotated) {
    if (const auto next = those(snapshot, purpose, "announced"); !next.empty()) {
      const bool due = next.front().activates && *next.front().activates <= now;
      const bool by_readers = purpose != kIdentityPurpose;
      if (due || (by_readers && readers_.waiting_for(core_.authorities, purpose).empty())) {
        log::info("a new authority signs", {{"purpose", std::string(purpose)}, {"authority", next.front().id}});
        CO_CHECK(co_await activate(as_system(), std::string(purpose)));
      }
    }
    const auto retiring = those(snapshot, purpose, "retiring");
    const bool over = std::ranges::any_of(
        retiring, [&](const directory::Authority& each) { return each.retires && *each.retires <= now; });
    if (over) {
      log::info("an authority is not trusted any more", {{"purpose", std::string(purpose)}});
      CO_CHECK(co_await core_.change("system", remove_retiring(std::string(purpose), true, now)));
    }
  }
  co_return Result<>{};
}

void Rotation::start() { tasks_.spawn("rotation", step_often()); }

net::Task<> Rotation::step_often() {
  const auto settled = co_await net::sleep_for(kSettle);
  if (!settled) co_return;
  for (;;) {
    const auto slept = co_await net::sleep_for(kStep);
    if (!slept) co_return;
    const auto done = co_await step();
    if (!done) log::warn("cannot go on with the rotation of an authority", {{"why", done.error()}});
  }
}

net::Task<> Rotation::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::control
