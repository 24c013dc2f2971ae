#include "control/permissions.h"

#include <algorithm>
#include <array>
#include <set>

namespace portolan::control {
namespace {

constexpr auto kTable = std::to_array<Permission>({
    {"GET /", Who::kAnyone},
    {"GET /.well-known/jwks.json", Who::kAnyone},
    {"GET /v1/health", Who::kAnyone},
    {"GET /v1/openapi.json", Who::kAnyone},
    {"GET /v1/trust", Who::kAnyone},
    {"POST /v1/sign-ins", Who::kAnyone},
    {"DELETE /v1/sign-ins/current", Who::kSignedIn},
    {"POST /v1/device-codes", Who::kAnyone},
    {"POST /v1/device-codes/token", Who::kAnyone},
    {"GET /activate", Who::kAnyone},
    {"POST /activate", Who::kAnyone},
    {"POST /v1/whoami/password", Who::kSignedIn},
    {"POST /v1/sign-ins/current/certificate", Who::kSignedIn},
    {"GET /v1/whoami", Who::kAccount},
    {"GET /v1/agent", Who::kSignedIn},

    {"POST /v1/node/join", Who::kAnyone},
    {"GET /v1/node", Who::kNode},
    {"POST /v1/node/certificate", Who::kNode},
    {"POST /v1/node/sessions", Who::kNode},
    {"POST /v1/node/audit", Who::kNode},
    {"POST /v1/node/audit/chain", Who::kNode},
    {"POST /v1/node/audit/heads", Who::kNode},
    {"POST /v1/node/health", Who::kNode},
    {"POST /v1/leases", Who::kNode},

    {"GET /v1/tokens", Who::kAccount},
    {"POST /v1/tokens", Who::kSignedIn},
    {"GET /v1/tokens/{token}", Who::kAccount},
    {"DELETE /v1/tokens/{token}", Who::kAccount},

    {"GET /v1/accounts", Who::kAdmin},
    {"POST /v1/accounts", Who::kAdmin},
    {"GET /v1/accounts/{account}", Who::kAdmin},
    {"PATCH /v1/accounts/{account}", Who::kAdmin},
    {"DELETE /v1/accounts/{account}", Who::kAdmin},
    {"DELETE /v1/accounts/{account}/lock", Who::kAdmin},
    {"GET /v1/roles", Who::kAdmin},
    {"POST /v1/roles", Who::kAdmin},
    {"GET /v1/roles/{role}", Who::kAdmin},
    {"PATCH /v1/roles/{role}", Who::kAdmin},
    {"DELETE /v1/roles/{role}", Who::kAdmin},
    {"GET /v1/memberships", Who::kAdmin},
    {"POST /v1/memberships", Who::kAdmin},
    {"GET /v1/memberships/{membership}", Who::kAdmin},
    {"DELETE /v1/memberships/{membership}", Who::kAdmin},
    {"GET /v1/grants", Who::kAdmin},
    {"POST /v1/grants", Who::kAdmin},
    {"GET /v1/grants/{grant}", Who::kAdmin},
    {"PATCH /v1/grants/{grant}", Who::kAdmin},
    {"DELETE /v1/grants/{grant}", Who::kAdmin},
    {"GET /v1/resources", Who::kAdmin},
    {"POST /v1/resources", Who::kAdmin},
    {"GET /v1/resources/{resource}", Who::kAdmin},
    {"PATCH /v1/resources/{resource}", Who::kAdmin},
    {"DELETE /v1/resources/{resource}", Who::kAdmin},
    {"GET /v1/resources/{resource}/route", Who::kAdmin},
    {"GET /v1/peering-groups", Who::kAdmin},
    {"POST /v1/peering-groups", Who::kAdmin},
    {"GET /v1/peering-groups/{group}", Who::kAdmin},
    {"PATCH /v1/peering-groups/{group}", Who::kAdmin},
    {"DELETE /v1/peering-groups/{group}", Who::kAdmin},
    {"GET /v1/nodes", Who::kAdmin},
    {"GET /v1/nodes/{node}", Who::kAdmin},
    {"PATCH /v1/nodes/{node}", Who::kAdmin},
    {"DELETE /v1/nodes/{node}", Who::kAdmin},
    {"GET /v1/join-tokens", Who::kAdmin},
    {"POST /v1/join-tokens", Who::kAdmin},
    {"GET /v1/join-tokens/{token}", Who::kAdmin},
    {"DELETE /v1/join-tokens/{token}", Who::kAdmin},
    {"POST /v1/join-tokens/{token}/revoke", Who::kAdmin},
    {"GET /v1/clusters", Who::kAdmin},
    {"POST /v1/clusters", Who::kAdmin},
    {"GET /v1/clusters/{cluster}", Who::kAdmin},
    {"PATCH /v1/clusters/{cluster}", Who::kAdmin},
    {"DELETE /v1/clusters/{cluster}", Who::kAdmin},
    {"GET /v1/cluster-keys", Who::kAdmin},
    {"POST /v1/cluster-keys", Who::kAdmin},
    {"GET /v1/cluster-keys/{key}", Who::kAdmin},
    {"POST /v1/cluster-keys/{key}/revoke", Who::kAdmin},
    {"GET /v1/devices", Who::kAdmin},
    {"GET /v1/devices/{device}", Who::kAdmin},
    {"DELETE /v1/devices/{device}", Who::kAdmin},

    {"POST /v1/resources/{resource}/checks", Who::kAdmin},
    {"GET /v1/health/resources", Who::kAdmin},
    {"GET /v1/health/nodes", Who::kAdmin},

    {"GET /v1/keys", Who::kAdmin},
    {"POST /v1/keys/{purpose}/rotate", Who::kAdmin},
    {"POST /v1/keys/{purpose}/activate", Who::kAdmin},
    {"POST /v1/keys/{purpose}/finish", Who::kAdmin},

    {"GET /v1/access/explain", Who::kAdmin},
    {"POST /v1/apply", Who::kAdmin},
    {"GET /v1/sessions", Who::kAdmin},
    {"GET /v1/sessions/{session}", Who::kAdmin},
    {"DELETE /v1/sessions/{session}", Who::kAdmin},
    {"GET /v1/audit/sessions", Who::kAdmin},
    {"GET /v1/audit/queries", Who::kAdmin},
    {"GET /v1/audit/activities", Who::kAdmin},
    {"GET /v1/audit/chains", Who::kAdmin},
    {"GET /v1/audit/chain", Who::kAdmin},
    {"GET /v1/audit/heads", Who::kAdmin},
});

std::string_view wanted(Who who) {
  switch (who) {
    case Who::kAnyone: return "anyone";
    case Who::kAccount: return "accounts";
    case Who::kSignedIn: return "accounts that have signed in; an API token does not do";
    case Who::kAdmin: return "admins";
    case Who::kNode: return "nodes, by their certificate";
  }
  return "nobody";
}

bool allowed(Who who, const Caller& caller) {
  switch (who) {
    case Who::kAnyone: return true;
    case Who::kAccount: return !caller.account.empty();
    case Who::kSignedIn: return caller.signed_in();
    case Who::kAdmin: return caller.admin && !caller.account.empty();
    case Who::kNode: return caller.kind == Caller::Kind::kNode;
  }
  return false;
}

}  // namespace

std::span<const Permission> permissions() { return kTable; }

const Permission* find_permission(std::string_view route) {
  const auto found = std::ranges::find(kTable, route, &Permission::route);
  return found == kTable.end() ? nullptr : &*found;
}

std::string needed_permission(std::string_view route) {
  constexpr std::string_view kPrefix = "/v1/";
  const auto space = route.find(' ');
  const auto path = route.substr(space + 1);
  if (!path.starts_with(kPrefix)) return {};
  const auto noun = path.substr(kPrefix.size(), path.find('/', kPrefix.size()) - kPrefix.size());
  if (noun == "whoami") return {};
  return std::string(noun) + (route.substr(0, space) == "GET" ? ":read" : ":write");
}

std::vector<std::string> grantable_permissions() {
  std::set<std::string> all;
  for (const auto& row : kTable)
    if (row.who == Who::kAdmin || row.who == Who::kAccount)
      if (auto name = needed_permission(row.route); !name.empty()) all.insert(std::move(name));
  return {all.begin(), all.end()};
}

Result<> may_call(const Permission& permission, const Caller& caller) {
  const Who who = permission.who;
  if (allowed(who, caller)) {
    if (who == Who::kAnyone || !caller.permissions) return {};
    const auto needed = needed_permission(permission.route);
    if (needed.empty() || std::ranges::find(*caller.permissions, needed) != caller.permissions->end()) return {};
    return fail(Code::kDenied, "this API token lacks the permission " + quoted(needed), "missing_permission");
  }
  if (caller.kind == Caller::Kind::kNobody)
    return fail(Code::kUnauthenticated, who == Who::kNode
                                            ? "only for nodes, by their certificate, on the internal server name"
                                            : "sign in first: no token or certificate came with this request");
  return fail(Code::kDenied, "only for " + std::string(wanted(who)));
}

}  // namespace portolan::control
