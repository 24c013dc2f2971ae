#include "control/identity_tokens.h"

#include <algorithm>
#include <set>

#include "base/id.h"

namespace portolan::control {
namespace {

using boost::json::array;
using boost::json::object;

// Servers take 8 KiB of one header and of all of them, mostly; the token is a third longer than its claims.
constexpr std::size_t kGroupsLimit = 4096;
constexpr std::size_t kTokenIdBytes = 16;

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

Result<array> groups_of(const Lookup& lookup, const directory::Account& account) {
  const auto& snapshot = lookup.snapshot();
  std::set<std::string_view> names;
  std::size_t size = 0;
  for (const auto& id : lookup.access().memberships_of_account(account.id)) {
    const auto membership = snapshot.memberships.find(id);
    if (membership == snapshot.memberships.end()) continue;
    const auto role = snapshot.roles.find(membership->second.role);
    if (role == snapshot.roles.end() || !names.insert(role->second.name).second) continue;
    size += role->second.name.size() + 3;
  }
  if (size > kGroupsLimit)
    return fail(Code::kDenied,
                account.email + " has too many roles (" + std::to_string(names.size()) +
                    ") for an identity token, which has to fit in a header; an admin has to take some away, or take "
                    "jwt_header from the resource",
                "too_many_roles");
  return array(names.begin(), names.end());
}

}  // namespace

Result<Secret> IdentityTokens::make(const Lookup& lookup, const std::string& account, const std::string& resource,
                                    WallTime now, WallTime until) const {
  const auto& who = lookup.snapshot().accounts.find(account)->second;
  PL_TRY(auto groups, groups_of(lookup, who));
  const WallTime ends = std::min(now + 2 * lease_life_, until) + kIdentitySlack;
  object claims{{"iss", issuer_}, {"aud", resource}, {"sub", account}, {"email", who.email}};
  if (!who.name.empty()) claims["name"] = who.name;
  claims["groups"] = std::move(groups);
  claims["resource"] = lookup.snapshot().resources.find(resource)->second.name;
  claims["iat"] = seconds_of(now);
  claims["nbf"] = seconds_of(now - kIdentitySlack);
  claims["exp"] = seconds_of(ends);
  claims["jti"] = make_token(kTokenIdBytes);
  return keys_.sign(claims);
}

}  // namespace portolan::control
