// The admin's objects: made, listed, changed, removed; and what is refused.
#include <gtest/gtest.h>

#include "api/token.h"
#include "base/id.h"
#include "control/leases.h"
#include "control/test_plane.h"
#include "crypto/certificate.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;

using testing::As;
using testing::TestPlane;

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

CO_TEST(Admin, ListsPageByNameAndFilter) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  for (const char* name : {"delta", "alpha", "charlie", "bravo", "echo"})
    CO_ASSERT_OK(co_await test.post<api::RoleView>("/v1/roles", api::RoleCreate{name}, test.admin));
  std::vector<std::string> names;
  std::optional<std::string> cursor;
  int pages = 0;
  do {
    std::map<std::string, std::string> query = {{"limit", "2"}};
    if (cursor) query["cursor"] = *cursor;
    const auto page = co_await test.get<api::Page<api::RoleView>>({"GET /v1/roles", query}, test.admin);
    CO_ASSERT_OK(page);
    for (const auto& role : page->items) names.push_back(role.name);
    cursor = page->cursor;
    ++pages;
  } while (cursor && pages < 10);
  EXPECT_EQ(names, (std::vector<std::string>{"alpha", "bravo", "charlie", "delta", "echo"}));
  EXPECT_EQ(pages, 3);
  const auto one = co_await test.get<api::Page<api::RoleView>>({"GET /v1/roles", {{"name", "bravo"}}}, test.admin);
  CO_ASSERT_OK(one);
  CO_ASSERT_EQ(one->items.size(), 1U);
  const auto by_name = co_await test.get<api::RoleView>({"GET /v1/roles/bravo"}, test.admin);
  const auto by_id = co_await test.get<api::RoleView>({"GET /v1/roles/" + one->items[0].id}, test.admin);
  CO_ASSERT_TRUE(by_name && by_id);
  EXPECT_EQ(by_name->id, by_id->id);
}

CO_TEST(Admin, RefusesWhatItDoesNotKnow) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const testing::Ask asks[] = {
      {"GET /v1/roles", {{"nmae", "bravo"}}},
      {"GET /v1/roles", {{"limit", "0"}}},
      {"GET /v1/roles", {{"limit", "1001"}}},
      {"GET /v1/roles", {{"limit", "ten"}}},
      {"GET /v1/roles", {{"cursor", "!!"}}},
      {"POST /v1/roles", {}, R"({"name":"a","colour":"red"})"},
      {"POST /v1/roles", {}, R"({"name":""})"},
      {"POST /v1/roles", {}, R"({})"},
      {"POST /v1/roles", {}, ""},
      {"POST /v1/accounts", {}, R"({"email":"nonsense"})"},
      {"POST /v1/accounts", {}, R"({"email":"a@example.com","password":"short"})"},
      {"PATCH /v1/accounts/admin@example.com", {}, R"({"email":"b@example.com"})"},
      {"POST /v1/join-tokens", {}, R"({"kind":"worker"})"},
      {"POST /v1/join-tokens", {}, R"({"kind":"relay","life":"8d"})"},
      {"POST /v1/resources", {}, R"({"name":"Bad Name","type":"tcp","host":"h","port":1})"},
      {"POST /v1/resources", {}, R"({"name":"x","type":"gopher","host":"h","port":1})"},
      {"POST /v1/resources", {}, R"({"name":"x","type":"tcp","host":"h"})"},
      {"POST /v1/resources", {}, R"({"name":"x","type":"tcp","host":"h:1","port":1, "local_port": 80})"},
      {"POST /v1/resources", {}, R"({"name":"x","type":"tcp","host":"h h","port":1})"},
      {"POST /v1/resources", {}, R"({"name":"x","type":"postgres","host":"h","settings":{"nonsense":"1"}})"},
      {"GET /v1/access/explain", {{"account", "admin@example.com"}}},
  };
  for (const auto& ask : asks) {
    const auto response = co_await test.call(ask, test.admin);
    EXPECT_EQ(response.status, 400) << ask.route << " " << ask.body << ": " << response.body;
  }
  for (const char* route :
       {"GET /v1/roles/none", "DELETE /v1/roles/none", "GET /v1/accounts/none", "DELETE /v1/accounts/none",
        "GET /v1/nodes/none", "DELETE /v1/nodes/none", "DELETE /v1/grants/none", "DELETE /v1/memberships/none",
        "DELETE /v1/join-tokens/none", "DELETE /v1/resources/none", "DELETE /v1/tokens/none"}) {
    const auto response = co_await test.call({route}, test.admin);
    EXPECT_EQ(response.status, 404) << route << ": " << response.body;
  }
}

CO_TEST(Admin, NamesAreUnique) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto account = co_await test.make_account("admin@example.com");
  EXPECT_EQ(reason(account), "conflict");
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto again = co_await test.post<api::MembershipView>(
      "/v1/memberships", api::MembershipCreate{"admin@example.com", "billing"}, test.admin);
  EXPECT_EQ(reason(again), "conflict");
}

CO_TEST(Admin, TheLastAdminStays) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  for (const char* body : {R"({"admin":false})", R"({"suspended":true})"}) {
    const auto response = co_await test.call({"PATCH /v1/accounts/admin@example.com", {}, body}, test.admin);
    EXPECT_EQ(response.status, 409) << response.body;
  }
  const auto removed = co_await test.call({"DELETE /v1/accounts/admin@example.com"}, test.admin);
  EXPECT_EQ(removed.status, 409) << removed.body;
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(
      co_await test.get<api::AccountView>({"PATCH /v1/accounts/ann@example.com", {}, R"({"admin":true})"}, test.admin));
  const auto now_removed = co_await test.call({"DELETE /v1/accounts/admin@example.com"}, test.admin);
  EXPECT_EQ(now_removed.status, 204) << now_removed.body;
}

net::Task<std::string> refusal(TestPlane& test, testing::Ask ask) {
  const auto answer = co_await test.call(std::move(ask), test.admin);
  co_return reason(TestPlane::succeeded(answer));
}

// Neither a program, nor who is suspended or has no password, could undo what has been done.
CO_TEST(Admin, TheLastAdminWhoCanSignInStays) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  for (const char* body :
       {R"({"email":"ci@example.com","kind":"service","admin":true})", R"({"email":"bare@example.com","admin":true})",
        R"({"email":"away@example.com","admin":true,"password":"correct horse"})"})
    CO_ASSERT_OK(co_await test.get<api::AccountView>({"POST /v1/accounts", {}, body}, test.admin));
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"PATCH /v1/accounts/away@example.com", {}, R"({"suspended":true})"},
                                                   test.admin));
  for (const testing::Ask& ask :
       {testing::Ask{"PATCH /v1/accounts/admin@example.com", {}, R"({"admin":false})"},
        testing::Ask{"PATCH /v1/accounts/admin@example.com", {}, R"({"suspended":true})"},
        testing::Ask{"DELETE /v1/accounts/admin@example.com"},
        testing::Ask{"POST /v1/apply", {}, R"({"accounts":[{"email":"admin@example.com","admin":false}]})"}}) {
    const auto why = co_await refusal(test, ask);
    EXPECT_EQ(why, "last_admin") << ask.route << ask.body;
  }
  const auto emptied = co_await refusal(test, {"PATCH /v1/accounts/admin@example.com", {}, R"({"password":""})"});
  EXPECT_EQ(emptied, "invalid");
  CO_ASSERT_OK(co_await test.get<api::AccountView>(
      {"PATCH /v1/accounts/bare@example.com", {}, R"({"password":"correct horse"})"}, test.admin));
  const auto removed = co_await refusal(test, {"DELETE /v1/accounts/admin@example.com"});
  EXPECT_EQ(removed, "none");
}

CO_TEST(Admin, ResourcesKeepTheirSecret) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const std::string body =
      R"({"name":"billing-db","type":"postgres","host":"10.0.0.1","username":"app","password":"hunter2","settings":{"database":"b"}})";
  const auto made = co_await test.call({"POST /v1/resources", {}, body}, test.admin);
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.body.find("hunter2"), std::string::npos);
  const auto shown = co_await test.get<api::ResourceView>({"GET /v1/resources/billing-db"}, test.admin);
  CO_ASSERT_OK(shown);
  EXPECT_EQ(shown->port, 5432);
  EXPECT_EQ(shown->local_port, 15432);
  EXPECT_TRUE(shown->has_password);
  const auto& stored = test.plane->core().lookup()->resource("billing-db")->sealed_password;
  EXPECT_EQ(stored.find("hunter2"), std::string::npos);
  const auto revision = test.plane->core().lookup()->snapshot().revision;
  const auto same = co_await test.call(
      {"PATCH /v1/resources/billing-db", {}, R"({"host":"10.0.0.1","password":"hunter2"})"}, test.admin);
  EXPECT_EQ(same.status, 200) << same.body;
  EXPECT_EQ(test.plane->core().lookup()->snapshot().revision, revision);
  const auto second = co_await test.post<api::ResourceView>(
      "/v1/resources", json::parse(R"({"name":"db2","type":"postgres","host":"h","username":"u"})").value(),
      test.admin);
  CO_ASSERT_OK(second);
  EXPECT_EQ(second->local_port, 15433);
  const auto changed = co_await test.get<api::ResourceView>(
      {"PATCH /v1/resources/billing-db", {}, R"({"host":"db.example.com","password":""})"}, test.admin);
  CO_ASSERT_OK(changed);
  EXPECT_EQ(changed->host, "db.example.com");
  EXPECT_EQ(changed->username, "app");
  EXPECT_FALSE(changed->has_password);
  const auto taken = co_await test.call({"PATCH /v1/resources/billing-db", {}, R"({"local_port":15433})"}, test.admin);
  EXPECT_EQ(taken.status, 409) << taken.body;
  // Neither do the activities tell it.
  const auto activities = co_await test.call({"GET /v1/audit/activities"}, test.admin);
  EXPECT_EQ(activities.body.find("hunter2"), std::string::npos);
  EXPECT_NE(activities.body.find("resource.created"), std::string::npos);
}

CO_TEST(Admin, ResourcesKeepTheKeyOfTheirCertificate) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto authority = crypto::Authority::create("people", crypto::Profile::kServer, test.clock.wall(), 1h);
  const auto key = crypto::PrivateKey::generate();
  const std::string pem = key.pem().reveal();
  const std::string middle = pem.substr(40, 20);
  const auto leaf = authority.issue({.profile = crypto::Profile::kServer,
                                     .key = key.public_key(),
                                     .common_name = "app",
                                     .dns_names = {"app"},
                                     .addresses = {}},
                                    test.clock.wall());
  CO_ASSERT_OK(leaf);
  api::ResourceCreate request{.name = "billing-db", .type = "postgres", .host = "10.0.0.1"};
  request.username = "app";
  request.settings = {{"tls", "require"}, {"tls_certificate", leaf->pem()}};
  request.tls_key = Secret(pem);
  const auto made = co_await test.call({"POST /v1/resources", {}, json::encode(request)}, test.admin);
  EXPECT_EQ(made.status, 201) << made.body;
  const auto shown = co_await test.call({"GET /v1/resources/billing-db"}, test.admin);
  EXPECT_TRUE(shown.body.contains("\"has_tls_key\":true")) << shown.body;
  const auto activities = co_await test.call({"GET /v1/audit/activities"}, test.admin);
  for (const auto& said : {made.body, shown.body, activities.body}) EXPECT_FALSE(said.contains(middle)) << said;
  const auto stored = test.plane->core().lookup()->resource("billing-db")->sealed_tls_key;
  EXPECT_FALSE(stored.empty());
  EXPECT_FALSE(stored.contains(middle));
  EXPECT_EQ(test.plane->core()
                .sealing.open(stored, tls_key_context(test.plane->core().lookup()->resource("billing-db")->id))
                .value()
                .reveal(),
            pem);

  // The same again changes nothing.
  const auto revision = test.plane->core().lookup()->snapshot().revision;
  const auto patch = [&test](api::ResourceUpdate update) -> net::Task<std::string> {
    auto done = co_await test.call({"PATCH /v1/resources/billing-db", {}, json::encode(update)}, test.admin);
    co_return std::to_string(done.status) + " " + done.body;
  };
  std::string said = co_await patch({.tls_key = Secret(pem)});
  EXPECT_TRUE(said.starts_with("200")) << said;
  EXPECT_EQ(test.plane->core().lookup()->snapshot().revision, revision);

  struct Case {
    api::ResourceUpdate update;
    const char* words;
  };
  const auto other = crypto::PrivateKey::generate();
  const auto other_leaf = authority.issue({.profile = crypto::Profile::kServer,
                                           .key = other.public_key(),
                                           .common_name = "app",
                                           .dns_names = {"app"},
                                           .addresses = {}},
                                          test.clock.wall());
  const std::map<std::string, std::string> other_settings = {{"tls", "require"},
                                                             {"tls_certificate", other_leaf->pem()}};
  for (const Case& each : {
           Case{{.tls_key = other.pem()}, "it is not the key of the certificate"},
           Case{{.tls_key = Secret("nonsense")}, "not a private key in PEM"},
           Case{{.tls_key =
                     Secret("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")},
                "openssl pkey -in KEY"},
           Case{{.tls_key = Secret()}, "its private key is missing"},
           Case{{.settings = other_settings}, "belongs to another certificate"},
           Case{{.settings = {{{"tls", "require"}}}, .tls_key = Secret(pem)}, "it is the key of no certificate"},
           Case{{.settings = {{{"tls", "disable"}, {"tls_certificate", leaf->pem()}}}}, "no effect while"},
           Case{{.settings = {{{"tls_certificate", "nonsense"}}}}, "tls_certificate"},
       }) {
    said = co_await patch(each.update);
    EXPECT_TRUE(said.starts_with("400")) << said;
    EXPECT_TRUE(said.contains(each.words)) << said;
  }
  EXPECT_EQ(test.plane->core().lookup()->snapshot().revision, revision);
  said = co_await patch({.settings = other_settings, .tls_key = other.pem()});
  EXPECT_TRUE(said.starts_with("200")) << said;

  // The key goes with its certificate.
  said = co_await patch({.settings = std::map<std::string, std::string>()});
  EXPECT_TRUE(said.contains("\"has_tls_key\":false")) << said;
  EXPECT_EQ(test.plane->core().lookup()->resource("billing-db")->sealed_tls_key, "");
  const auto tcp = co_await test.call(
      {"POST /v1/resources",
       {},
       json::encode(api::ResourceCreate{.name = "t", .type = "tcp", .host = "h", .port = 1, .tls_key = Secret(pem)})},
      test.admin);
  EXPECT_EQ(tcp.status, 400) << tcp.body;
}

CO_TEST(Admin, ACertificateThatWillNotDoForLongIsSaidToBeSo) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto now = test.clock.wall();
  struct Case {
    WallTime issued;
    std::chrono::seconds life;
    const char* words;
  };
  for (const Case& each : {Case{now, 24h * 300, ""}, Case{now, 24h * 10, " ends on "},
                           Case{now - 48h, 24h, " ended on "}, Case{now + 48h, 24h, "is not valid before"}}) {
    const auto authority = crypto::Authority::create("people", crypto::Profile::kServer, each.issued, 24h * 400);
    const auto key = crypto::PrivateKey::generate();
    const auto leaf = authority.issue({.profile = crypto::Profile::kServer,
                                       .key = key.public_key(),
                                       .common_name = "app",
                                       .dns_names = {"app"},
                                       .addresses = {},
                                       .life = each.life},
                                      each.issued);
    CO_ASSERT_OK(leaf);
    api::ResourceCreate request{
        .name = std::string("db-") + make_id("x").substr(2), .type = "postgres", .host = "10.0.0.1"};
    request.username = "app";
    request.settings = {{"tls_certificate", leaf->pem()}};
    request.tls_key = key.pem();
    const auto made = co_await test.post<api::ResourceView>("/v1/resources", request, test.admin);
    CO_ASSERT_OK(made);
    EXPECT_EQ(made->warnings.size(), each.words[0] == 0 ? 0U : 1U) << each.words;
    for (const auto& warning : made->warnings) EXPECT_TRUE(warning.contains(each.words)) << warning;
  }
}

CO_TEST(Admin, EgressNodesByName) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto changed = co_await test.get<api::ResourceView>(
      {"PATCH /v1/resources/billing", {}, R"({"egress_nodes":["relay-1"]})"}, test.admin);
  CO_ASSERT_OK(changed);
  EXPECT_EQ(changed->egress_nodes, std::vector{node->joined.node});
  const auto unknown =
      co_await test.call({"PATCH /v1/resources/billing", {}, R"({"egress_nodes":["relay-9"]})"}, test.admin);
  EXPECT_EQ(unknown.status, 404) << unknown.body;
}

CO_TEST(Admin, ExplainSaysWhyAndByWhichWay) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.join("relay", "relay-1"));
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto yes = co_await test.get<api::ExplainView>(
      {"GET /v1/access/explain", {{"account", "admin@example.com"}, {"resource", "billing"}}}, test.admin);
  CO_ASSERT_OK(yes);
  EXPECT_TRUE(yes->allowed);
  EXPECT_EQ(yes->egress, std::vector<std::string>{"relay-1"});
  EXPECT_FALSE(yes->reasons.empty());
  const auto no = co_await test.get<api::ExplainView>(
      {"GET /v1/access/explain", {{"account", "ann@example.com"}, {"resource", "billing"}}}, test.admin);
  CO_ASSERT_OK(no);
  EXPECT_FALSE(no->allowed);
  EXPECT_EQ(no->code, "no_grant");
}

CO_TEST(Admin, MembershipsAndGrantsFilterByNameOrId) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.give("admin@example.com", "one"));
  const auto two = co_await test.give("ann@example.com", "two");
  CO_ASSERT_OK(two);
  for (const auto& key : {std::string("ann@example.com"), two->account}) {
    const auto page =
        co_await test.get<api::Page<api::MembershipView>>({"GET /v1/memberships", {{"account", key}}}, test.admin);
    CO_ASSERT_OK(page);
    CO_ASSERT_EQ(page->items.size(), 1U);
    EXPECT_EQ(page->items[0].id, two->id);
  }
  const auto grants =
      co_await test.get<api::Page<api::GrantView>>({"GET /v1/grants", {{"resource", "one"}}}, test.admin);
  CO_ASSERT_OK(grants);
  CO_ASSERT_EQ(grants->items.size(), 1U);
  const auto removed = co_await test.call({"DELETE /v1/grants/" + grants->items[0].id}, test.admin);
  EXPECT_EQ(removed.status, 204);
  const auto gone = co_await test.call({"GET /v1/grants/" + grants->items[0].id}, test.admin);
  EXPECT_EQ(gone.status, 404);
  const auto none = co_await test.get<api::Page<api::MembershipView>>(
      {"GET /v1/memberships", {{"account", "nobody@example.com"}}}, test.admin);
  CO_ASSERT_OK(none);
  EXPECT_TRUE(none->items.empty());
}

CO_TEST(Admin, ApiTokensAreTheirOwners) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  const auto made = co_await test.post<api::ApiTokenMade>(
      "/v1/tokens", api::ApiTokenCreate{.name = "backup", .life = "2h"}, ann->by_token);
  CO_ASSERT_OK(made);
  const As script{.token = made->token->reveal()};
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"GET /v1/whoami"}, script));
  const auto no_children = co_await test.call({"POST /v1/tokens", {}, R"({"name":"more"})"}, script);
  EXPECT_EQ(no_children.status, 403);
  const auto own = co_await test.get<api::Page<api::ApiTokenView>>({"GET /v1/tokens"}, ann->by_token);
  CO_ASSERT_OK(own);
  EXPECT_EQ(own->items.size(), 1U);
  const auto all = co_await test.get<api::Page<api::ApiTokenView>>({"GET /v1/tokens"}, test.admin);
  CO_ASSERT_OK(all);
  CO_ASSERT_EQ(all->items.size(), 2U);
  for (const auto& token : all->items) {
    if (token.account == made->account) continue;
    const auto foreign = co_await test.call({"DELETE /v1/tokens/" + token.id}, ann->by_token);
    EXPECT_EQ(foreign.status, 404);
  }
  const auto removed = co_await test.call({"DELETE /v1/tokens/" + made->id}, ann->by_token);
  EXPECT_EQ(removed.status, 204);
  const auto after = co_await test.call({"GET /v1/whoami"}, script);
  EXPECT_EQ(after.status, 401);
}

}  // namespace
}  // namespace portolan::control
