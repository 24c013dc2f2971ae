// What is the same for every kind of object: revisions, ETags and If-Match; kinds of accounts; tags; grants with
// bounds; what API tokens may.
#include "control/objects.h"

#include <gtest/gtest.h>

#include "api/device.h"
#include "api/token.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::As;
using testing::TestPlane;

TEST(Objects, IfMatch) {
  const auto wanted = [](std::string value) {
    net::http::Request request;
    if (!value.empty()) request.headers["if-match"] = std::move(value);
    return wanted_revision(request);
  };
  EXPECT_EQ(wanted("").value(), std::nullopt);
  EXPECT_EQ(wanted("*").value(), std::nullopt);
  EXPECT_EQ(wanted("\"17\"").value(), 17U);
  for (const char* bad :
       {"17", "\"\"", "\"x\"", "\"17", "W/\"17\"", "\"17\", \"18\"", "\"-1\"", "\"99999999999999999999\""})
    EXPECT_FALSE(wanted(bad)) << bad;
}

CO_TEST(Objects, TwoAdminsChangeOneObject) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto made = co_await test.call({"POST /v1/roles", {}, R"({"name":"dba"})"}, test.admin);
  EXPECT_EQ(made.status, 201);
  const auto seen = co_await test.call({"GET /v1/roles/dba"}, test.admin);
  const std::string etag(seen.header("etag"));
  EXPECT_EQ(etag, made.header("etag"));
  const auto first =
      co_await test.call({"PATCH /v1/roles/dba", {}, R"({"name":"dbas"})", {{"if-match", etag}}}, test.admin);
  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_NE(first.header("etag"), etag);
  const auto second =
      co_await test.call({"PATCH /v1/roles/dbas", {}, R"({"name":"others"})", {{"if-match", etag}}}, test.admin);
  EXPECT_EQ(second.status, 412) << second.body;
  EXPECT_NE(second.body.find("\"stale\""), std::string::npos) << second.body;
  const auto removed = co_await test.call({"DELETE /v1/roles/dbas", {}, "", {{"if-match", etag}}}, test.admin);
  EXPECT_EQ(removed.status, 412) << removed.body;
  const auto fresh = std::string(first.header("etag"));
  const auto gone = co_await test.call({"DELETE /v1/roles/dbas", {}, "", {{"if-match", fresh}}}, test.admin);
  EXPECT_EQ(gone.status, 204) << gone.body;
}

CO_TEST(Objects, AChangeThatChangesNothingKeepsTheRevision) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto made = co_await test.call({"POST /v1/roles", {}, R"({"name":"dba"})"}, test.admin);
  const auto again = co_await test.call({"PATCH /v1/roles/dba", {}, R"({"name":"dba"})"}, test.admin);
  EXPECT_EQ(made.header("etag"), again.header("etag"));
}

CO_TEST(Objects, ServiceAccountsHaveTokensAndNoPassword) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto made = co_await test.get<api::AccountView>(
      {"POST /v1/accounts", {}, R"({"email":"ci@example.com","kind":"service"})"}, test.admin);
  CO_ASSERT_OK(made);
  EXPECT_EQ(made->kind, "service");
  for (const testing::Ask& ask :
       {testing::Ask{"POST /v1/accounts", {}, R"({"email":"x@example.com","kind":"robot"})"},
        testing::Ask{"POST /v1/accounts", {}, R"({"email":"x@example.com","kind":"service","password":"12345678"})"},
        testing::Ask{"PATCH /v1/accounts/ci@example.com", {}, R"({"password":"12345678"})"}}) {
    const auto response = co_await test.call(ask, test.admin);
    EXPECT_EQ(response.status, 400) << ask.body << response.body;
  }
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  const auto token = co_await test.get<api::ApiTokenMade>(
      {"POST /v1/tokens", {}, R"({"name":"deploy","account":"ci@example.com"})"}, admin->by_token);
  CO_ASSERT_OK(token);
  const auto who = co_await test.get<api::AccountView>({"GET /v1/whoami"}, As{.token = token->token->reveal()});
  CO_ASSERT_OK(who);
  EXPECT_EQ(who->email, "ci@example.com");
  // Nobody makes a token of somebody else's.
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto hers =
      co_await test.call({"POST /v1/tokens", {}, R"({"name":"x","account":"ann@example.com"})"}, admin->by_token);
  EXPECT_EQ(hers.status, 403) << hers.body;
}

CO_TEST(Objects, TokensMayWhatTheySay) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  const auto token = co_await test.get<api::ApiTokenMade>(
      {"POST /v1/tokens", {}, R"({"name":"reader","permissions":["roles:read","resources:read","roles:read"]})"},
      admin->by_token);
  CO_ASSERT_OK(token);
  EXPECT_EQ(token->permissions, (std::vector<std::string>{"resources:read", "roles:read"}));
  const As reader{.token = token->token->reveal()};
  CO_ASSERT_EQ((co_await test.call({"GET /v1/roles"}, reader)).status, 200);
  CO_ASSERT_EQ((co_await test.call({"GET /v1/whoami"}, reader)).status, 200);
  for (const testing::Ask& ask : {testing::Ask{"POST /v1/roles", {}, R"({"name":"dba"})"},
                                  testing::Ask{"GET /v1/accounts"}, testing::Ask{"GET /v1/audit/queries"}}) {
    const auto refused = co_await test.call(ask, reader);
    EXPECT_EQ(refused.status, 403) << ask.route;
    EXPECT_NE(refused.body.find("missing_permission"), std::string::npos) << refused.body;
  }
  for (const char* permissions : {R"(["roles:raed"])", "[]", R"(["leases:write"])"}) {
    const auto body = std::string(R"({"name":"x","permissions":)") + permissions + "}";
    const auto response = co_await test.call({"POST /v1/tokens", {}, body}, admin->by_token);
    EXPECT_EQ(response.status, 400) << permissions << response.body;
  }
}

CO_TEST(Objects, AnAccountHasAHundredTokensAtMost) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  const auto make = [](int i) {
    return testing::Ask{"POST /v1/tokens", {}, R"({"name":"t)" + std::to_string(i) + R"("})"};
  };
  for (int i = 0; i < 99; ++i) {  // one is there
    const auto made = co_await test.call(make(i), admin->by_token);
    CO_ASSERT_TRUE(made.status == 201);
  }
  const auto refused = co_await test.call(make(99), admin->by_token);
  EXPECT_EQ(refused.status, 409);
  EXPECT_NE(refused.body.find("too_many_tokens"), std::string::npos) << refused.body;
}

CO_TEST(Objects, GrantsBeginAndEnd) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.give("ann@example.com", "billing"));
  const auto grants = co_await test.get<api::Page<api::GrantView>>({"GET /v1/grants"}, test.admin);
  CO_ASSERT_OK(grants);
  const std::string path = " /v1/grants/" + grants->items.at(0).id;
  const auto in = [&](int hours) { return to_rfc3339(clock.wall() + std::chrono::hours(hours)); };
  const auto state = [&]() -> net::Task<std::string> {
    const auto grant = co_await test.get<api::GrantView>({"GET" + path}, test.admin);
    co_return grant ? grant->state : grant.error().message;
  };
  const auto allowed = [&]() -> net::Task<std::string> {
    const auto view = co_await test.get<api::ExplainView>(
        {"GET /v1/access/explain", {{"account", "ann@example.com"}, {"resource", "billing"}}}, test.admin);
    co_return view ? view->code : view.error().message;
  };
  CO_ASSERT_EQ(co_await state(), "active");
  const auto bounded = co_await test.call(
      {"PATCH" + path, {}, R"({"starts":")" + in(1) + R"(","ends":")" + in(2) + R"("})"}, test.admin);
  EXPECT_EQ(bounded.status, 200) << bounded.body;
  CO_ASSERT_EQ(co_await state(), "scheduled");
  CO_ASSERT_EQ(co_await allowed(), "grant_not_begun");
  clock.advance(std::chrono::hours(1));
  CO_ASSERT_EQ(co_await state(), "active");
  CO_ASSERT_EQ(co_await allowed(), "granted");
  clock.advance(std::chrono::hours(1));
  CO_ASSERT_EQ(co_await state(), "ended");
  CO_ASSERT_EQ(co_await allowed(), "grant_ended");
  const auto unbounded = co_await test.call({"PATCH" + path, {}, R"({"no_start":true,"no_end":true})"}, test.admin);
  EXPECT_EQ(unbounded.status, 200) << unbounded.body;
  CO_ASSERT_EQ(co_await allowed(), "granted");
  for (const std::string& body :
       {R"({"ends":")" + in(-1) + R"("})", R"({"starts":")" + in(2) + R"(","ends":")" + in(1) + R"("})",
        std::string(R"({"ends":"tomorrow"})"), R"({"no_end":true,"ends":")" + in(1) + R"("})"}) {
    const auto response = co_await test.call({"PATCH" + path, {}, body}, test.admin);
    EXPECT_EQ(response.status, 400) << body << response.body;
  }
}

CO_TEST(Objects, Tags) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto made = co_await test.get<api::ResourceView>(
      {"POST /v1/resources", {}, R"({"name":"a","type":"tcp","host":"h","port":1,"tags":{"env":"prod","team":"x"}})"},
      test.admin);
  CO_ASSERT_OK(made);
  EXPECT_EQ(made->tags.at("env"), "prod");
  for (const char* tags : {R"({"":"x"})", R"({"a b":"x"})", R"({"a":"\n"})"}) {
    const auto body = std::string(R"({"tags":)") + tags + "}";
    const auto response = co_await test.call({"PATCH /v1/resources/a", {}, body}, test.admin);
    EXPECT_EQ(response.status, 400) << tags << response.body;
  }
  const auto changed =
      co_await test.get<api::ResourceView>({"PATCH /v1/resources/a", {}, R"({"tags":{}})"}, test.admin);
  CO_ASSERT_OK(changed);
  EXPECT_TRUE(changed->tags.empty());
}

CO_TEST(Objects, DevicesAreListedAndRemoved) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  const auto devices =
      co_await test.get<api::Page<api::DeviceView>>({"GET /v1/devices", {{"account", "ann@example.com"}}}, test.admin);
  CO_ASSERT_OK(devices);
  CO_ASSERT_EQ(devices->items.size(), 1U);
  EXPECT_TRUE(devices->items[0].signed_in);
  EXPECT_EQ(devices->items[0].email, "ann@example.com");
  CO_ASSERT_EQ((co_await test.call({"GET /v1/whoami"}, ann->by_certificate)).status, 200);
  const auto gone = co_await test.call({"DELETE /v1/devices/" + devices->items[0].id}, test.admin);
  EXPECT_EQ(gone.status, 204) << gone.body;
  CO_ASSERT_EQ((co_await test.call({"GET /v1/whoami"}, ann->by_certificate)).status, 401);
  CO_ASSERT_EQ((co_await test.call({"GET /v1/whoami"}, ann->by_token)).status, 401);
}

}  // namespace
}  // namespace portolan::control
