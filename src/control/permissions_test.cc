// Every route, called by every kind of caller: what the table says, and nothing else, is what happens.
#include "control/permissions.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "api/token.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::As;
using testing::TestPlane;

// "GET /v1/roles/{role}" with something in the place of the argument.
std::string concrete(std::string_view route) {
  std::string out(route);
  const auto open = out.find('{');
  if (open != std::string::npos) out.replace(open, out.find('}') - open + 1, "nothing-of-ours");
  return out;
}

struct NamedCaller {
  std::string name;
  As as;
  std::set<Who> may;
  std::string only = {};  // an API token that has this permission alone

  bool allowed(const Permission& row) const {
    if (row.who == Who::kAnyone) return true;
    const auto needed = needed_permission(row.route);
    return may.contains(row.who) && (only.empty() || needed.empty() || needed == only);
  }
};

// An API token of a service account, made by an admin who has signed in.
net::Task<Result<As>> service(TestPlane& test, const As& admin, std::string email, std::string role) {
  CO_CHECK(co_await test.get<api::AccountView>(
      {"POST /v1/accounts", {}, R"({"kind":"service","email":")" + email + R"(","admin":)" + role + "}"}, admin));
  CO_TRY(const auto made, co_await test.get<api::ApiTokenMade>(
                              {"POST /v1/tokens", {}, R"({"name":"script","account":")" + email + R"("})"}, admin));
  co_return As{.token = made.token->reveal()};
}

net::Task<Result<std::vector<NamedCaller>>> all_callers(TestPlane& test) {
  CO_CHECK(co_await test.set_up());
  CO_CHECK(co_await test.make_account("ann@example.com"));
  // A sign-in each: one of the routes ends it.
  CO_TRY(const auto admin, co_await test.sign_in("admin@example.com"));
  CO_TRY(const auto admin_agent, co_await test.sign_in("admin@example.com"));
  CO_TRY(const auto ann, co_await test.sign_in("ann@example.com"));
  CO_TRY(const auto ann_agent, co_await test.sign_in("ann@example.com"));
  CO_TRY(const auto ann_token, co_await test.plane->make_api_token("ann@example.com", "script"));
  CO_TRY(const auto node, co_await test.join("relay", "relay-1"));
  CO_TRY(const auto robot, co_await service(test, admin.by_token, "robot@example.com", "false"));
  CO_TRY(const auto admin_robot, co_await service(test, admin.by_token, "admin-robot@example.com", "true"));
  CO_TRY(const auto limited,
         co_await test.get<api::ApiTokenMade>(
             {"POST /v1/tokens", {}, R"({"name":"limited","permissions":["roles:read"]})"}, admin.by_token));
  std::vector<NamedCaller> callers = {
      {"a service's token", robot, {Who::kAccount}},
      {"an admin service's token", admin_robot, {Who::kAccount, Who::kAdmin}},
      {"a token without the permission",
       As{.token = limited.token->reveal()},
       {Who::kAccount, Who::kAdmin},
       "roles:read"},
      {"nobody", {}, {}},
      {"admin's API token", test.admin, {Who::kAccount, Who::kAdmin}},
      {"admin's sign-in", admin.by_token, {Who::kAccount, Who::kSignedIn, Who::kAdmin}},
      {"admin's certificate", admin_agent.by_certificate, {Who::kAccount, Who::kSignedIn, Who::kAdmin}},
      {"user's API token", As{.token = ann_token.reveal()}, {Who::kAccount}},
      {"user's sign-in", ann.by_token, {Who::kAccount, Who::kSignedIn}},
      {"user's certificate", ann_agent.by_certificate, {Who::kAccount, Who::kSignedIn}},
      {"node", node.by_certificate, {Who::kNode}},
  };
  co_return callers;
}

CO_TEST(Permissions, EveryRouteTimesEveryCaller) {
  TestPlane test(co_await net::this_executor());
  const auto callers = co_await all_callers(test);
  CO_ASSERT_OK(callers);
  std::vector<Permission> table(permissions().begin(), permissions().end());
  // Last, what ends the callers' sign-ins.
  std::ranges::sort(table, {}, [](const auto& row) { return row.route == "DELETE /v1/sign-ins/current"; });
  for (const auto& row : table) {
    for (const auto& caller : *callers) {
      const auto response = co_await test.call({concrete(row.route), {}, "{}"}, caller.as);
      const bool refused = response.status == 401 || response.status == 403;
      EXPECT_EQ(refused, !caller.allowed(row))
          << row.route << " by " << caller.name << ": " << response.status << response.body;
      if (refused)
        EXPECT_EQ(response.status, caller.name == "nobody" ? 401 : 403) << row.route << " by " << caller.name;
      EXPECT_LT(response.status, 500) << row.route << " by " << caller.name << ": " << response.body;
    }
  }
}

CO_TEST(Permissions, TheTableIsTheRouter) {
  TestPlane test(co_await net::this_executor());
  std::vector<std::string> served = test.plane->router().routes();
  std::vector<std::string> listed;
  for (const auto& row : permissions()) listed.emplace_back(row.route);
  std::ranges::sort(served);
  std::ranges::sort(listed);
  EXPECT_EQ(served, listed);
}

// Said a second time, so that a slip in the table is seen: all that is not listed here is for admins.
TEST(Permissions, WhatIsNotForAdmins) {
  const std::map<std::string_view, Who> others = {
      {"GET /", Who::kAnyone},
      {"GET /.well-known/jwks.json", Who::kAnyone},
      {"GET /v1/health", Who::kAnyone},
      {"GET /v1/openapi.json", Who::kAnyone},
      {"GET /v1/trust", Who::kAnyone},
      {"POST /v1/sign-ins", Who::kAnyone},
      {"POST /v1/device-codes", Who::kAnyone},
      {"POST /v1/device-codes/token", Who::kAnyone},
      {"GET /activate", Who::kAnyone},
      {"POST /activate", Who::kAnyone},
      {"POST /v1/whoami/password", Who::kSignedIn},
      {"POST /v1/node/join", Who::kAnyone},
      {"DELETE /v1/sign-ins/current", Who::kSignedIn},
      {"GET /v1/agent", Who::kSignedIn},
      {"POST /v1/tokens", Who::kSignedIn},
      {"GET /v1/tokens", Who::kAccount},
      {"GET /v1/tokens/{token}", Who::kAccount},
      {"DELETE /v1/tokens/{token}", Who::kAccount},
      {"GET /v1/whoami", Who::kAccount},
      {"GET /v1/node", Who::kNode},
      {"POST /v1/node/certificate", Who::kNode},
      {"POST /v1/sign-ins/current/certificate", Who::kSignedIn},
      {"POST /v1/node/sessions", Who::kNode},
      {"POST /v1/node/audit", Who::kNode},
      {"POST /v1/node/audit/chain", Who::kNode},
      {"POST /v1/node/audit/heads", Who::kNode},
      {"POST /v1/node/health", Who::kNode},
      {"POST /v1/leases", Who::kNode},
  };
  for (const auto& row : permissions()) {
    const auto other = others.find(row.route);
    EXPECT_EQ(row.who, other == others.end() ? Who::kAdmin : other->second) << row.route;
  }
}

TEST(Permissions, ARouteWithoutARowIsNotKnown) { EXPECT_EQ(find_permission("GET /v1/secrets"), nullptr); }

CO_TEST(Permissions, BadProofsAreUnauthenticated) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  for (const char* header : {"nonsense", "", "pst1.AAAA", "pat1."}) {
    const auto response = co_await test.call({"GET /v1/whoami"}, As{.token = std::string(header) + "x"});
    EXPECT_EQ(response.status, 401) << header;
    EXPECT_EQ(response.header("www-authenticate"), "Bearer");
  }
}

// Leaves of authorities that are not ours, with our names in them.
CO_TEST(Permissions, ForeignCertificatesAreRefused) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  const auto now = test.clock.wall();
  for (const auto& [real, profile] : {std::pair(ann->by_certificate, crypto::Profile::kUser),
                                      std::pair(node->by_certificate, crypto::Profile::kNode)}) {
    const auto other = crypto::Authority::create("portolan user CA", profile, now, std::chrono::hours(1));
    const auto forged = other.issue({.profile = profile,
                                     .key = real.certificate->public_key(),
                                     .common_name = "x",
                                     .uris = real.certificate->uris()},
                                    now);
    CO_ASSERT_OK(forged);
    const auto path = profile == crypto::Profile::kUser ? "GET /v1/whoami" : "GET /v1/node";
    const auto genuine = co_await test.call({path}, real);
    EXPECT_EQ(genuine.status, 200) << genuine.body;
    const auto response = co_await test.call({path}, As{.certificate = *forged});
    EXPECT_TRUE(response.status == 401 || response.status == 403) << response.body;
  }
  // Our own user authority, but a serial that belongs to no sign-in.
  const auto& authority = test.plane->core().authorities.user;
  const auto unknown = authority.issue({.profile = crypto::Profile::kUser,
                                        .key = ann->key.public_key(),
                                        .common_name = "x",
                                        .uris = ann->by_certificate.certificate->uris()},
                                       now);
  CO_ASSERT_OK(unknown);
  const auto response = co_await test.call({"GET /v1/whoami"}, As{.certificate = *unknown});
  EXPECT_EQ(response.status, 401) << response.body;
}

}  // namespace
}  // namespace portolan::control
