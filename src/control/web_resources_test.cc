// What the control plane does for web resources beside others: names that browsers can open, settings, the record of
// requests. Their leases are in leases_test.cc, their hosts in agent_views_test.cc.
#include <gtest/gtest.h>

#include "api/apply.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::As;
using testing::TestPlane;

api::ResourceCreate wiki(std::string name = "wiki") {
  api::ResourceCreate create{.name = std::move(name), .type = "http", .host = "wiki.corp.example"};
  create.settings = {{"tls", "verify-full"}, {"jwt_header", "X-Identity"}, {"headers", "X-Remote-User: {email}\n"}};
  return create;
}

net::Task<std::string> said(TestPlane& test, std::string route, std::string body) {
  const auto answer = co_await test.call({std::move(route), {}, std::move(body)}, test.admin);
  co_return std::to_string(answer.status) + " " + answer.body;
}

CO_TEST(WebResources, HaveNamesThatABrowserCanOpen) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  for (const char* name : {"wiki", "w", "1-2", "a--b", "rs-wiki"}) {
    const auto answer = co_await said(test, "POST /v1/resources", json::encode(wiki(name)));
    EXPECT_TRUE(answer.starts_with("201")) << name << answer;
  }
  for (const char* name : {"wiki-", "-", "xn--wiki", "Wiki", "wiki.corp", "wi_ki", "", "-wiki"}) {
    const auto answer = co_await said(test, "POST /v1/resources", json::encode(wiki(name)));
    EXPECT_TRUE(answer.starts_with("400")) << name << answer;
  }
  const auto refused = co_await said(test, "POST /v1/resources", json::encode(wiki("wiki-")));
  EXPECT_TRUE(refused.contains("NAME.localhost")) << refused;
  const auto renamed = co_await said(test, "PATCH /v1/resources/wiki", R"({"name":"wiki-"})");
  EXPECT_TRUE(renamed.starts_with("400")) << renamed;
  // Others may be called so.
  const auto other = co_await said(test, "POST /v1/resources", R"({"name":"db-","type":"tcp","host":"h","port":1})");
  EXPECT_TRUE(other.starts_with("201")) << other;
}

CO_TEST(WebResources, SettingsAreChecked) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  struct Case {
    std::map<std::string, std::string> settings;
    const char* words;
  };
  for (const Case& each : {Case{{{"auth", "basic"}}, "needs a user name"}, Case{{{"colour", "red"}}, "unknown setting"},
                           Case{{{"tls", "maybe"}}, "known are disable, require, verify-ca, verify-full"},
                           Case{{{"headers", "X-A: {nobody}"}}, "nobody"}, Case{{{"aliases", "static"}}, "LABEL=HOST"},
                           Case{{{"jwt_header", "bad name"}}, "bad name"}}) {
    auto create = wiki();
    create.settings = each.settings;
    const auto answer = co_await said(test, "POST /v1/resources", json::encode(create));
    EXPECT_TRUE(answer.starts_with("400") && answer.contains(each.words)) << answer;
  }
  auto create = wiki();
  create.password = Secret("hunter2");
  create.username = "svc";
  create.settings->emplace("auth", "basic");
  const auto made = co_await said(test, "POST /v1/resources", json::encode(create));
  EXPECT_TRUE(made.starts_with("201")) << made;
  EXPECT_FALSE(made.contains("hunter2")) << made;
  const auto shown = co_await test.get<api::ResourceView>({"GET /v1/resources/wiki"}, test.admin);
  CO_ASSERT_OK(shown);
  EXPECT_EQ(shown->port, 80);
  EXPECT_TRUE(shown->has_password);
  // The password goes to no other host unseen.
  const auto moved = co_await said(test, "PATCH /v1/resources/wiki", R"({"host":"evil.example"})");
  EXPECT_TRUE(moved.starts_with("400") && moved.contains("password_not_kept")) << moved;
}

CO_TEST(WebResources, CanBeApplied) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const std::string file = R"({"resources":[{"name":"wiki","type":"http","host":"wiki.corp.example","port":443,)"
                           R"("settings":{"tls":"verify-full","headers":"X-Remote-User: {email}"}}]})";
  const auto first = co_await said(test, "POST /v1/apply", file);
  EXPECT_TRUE(first.starts_with("200")) << first;
  const auto revision = test.plane->core().lookup()->snapshot().revision;
  const auto again = co_await said(test, "POST /v1/apply", file);
  EXPECT_TRUE(again.starts_with("200")) << again;
  EXPECT_EQ(test.plane->core().lookup()->snapshot().revision, revision) << "the same again changes nothing";
  const auto refused =
      co_await said(test, "POST /v1/apply", R"({"resources":[{"name":"wiki-","type":"http","host":"h","port":443}]})");
  EXPECT_TRUE(refused.starts_with("400") && refused.contains("NAME.localhost")) << refused;
}

api::AuditRecord request(std::uint64_t sequence, std::string path) {
  api::AuditRecord record;
  record.kind = "query";
  record.session = "s-1";
  record.sequence = sequence;
  record.time = Clock::real().wall();
  record.trace = "t-1";
  record.text = "GET https://wiki.corp.example" + path;
  auto& http = record.http.emplace();
  http.method = "GET";
  http.host = "wiki.corp.example";
  http.path = std::move(path);
  http.query = "a=***";
  http.status = 200;
  http.bytes_in = 3;
  http.bytes_out = 5;
  http.messages_in = 1;
  http.messages_out = 2;
  http.request_body = api::AuditHttpBody{"abc", std::nullopt, 3};
  http.response_body = api::AuditHttpBody{std::nullopt, "AAECAwQ=", 5};
  return record;
}

// All that a node has to say of a request comes out as it went in, and is as the OpenAPI document has it.
CO_TEST(WebResources, RequestsAreListed) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  api::AuditRecord started;
  started.kind = "session.started";
  started.session = "s-1";
  started.sequence = 1;
  started.time = Clock::real().wall();
  started.email = "ann@example.com";
  const api::AuditBatch batch{{started, request(2, "/public/a"), request(3, "/private/b")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate));
  const auto all = co_await test.get<api::Page<api::AuditRecord>>({"GET /v1/audit/queries"}, test.admin);
  CO_ASSERT_OK(all);
  CO_ASSERT_EQ(all->items.size(), 2U);
  CO_ASSERT_TRUE(all->items[0].http.has_value());
  EXPECT_EQ(json::encode(*all->items[0].http), json::encode(*batch.records[1].http));
  EXPECT_EQ(all->items[0].email, "ann@example.com");

  const std::string from = to_rfc3339(Clock::real().wall() - std::chrono::hours(1));
  const auto some = co_await test.get<api::Page<api::AuditRecord>>(
      {"GET /v1/audit/queries", {{"text", "get https://wiki.corp.example/PRIVATE"}, {"from", from}}}, test.admin);
  CO_ASSERT_OK(some);
  CO_ASSERT_EQ(some->items.size(), 1U);
  EXPECT_EQ(some->items[0].http->path, "/private/b");
  const auto unbounded = co_await test.call({"GET /v1/audit/queries", {{"text", "private"}}}, test.admin);
  EXPECT_EQ(unbounded.status, 400);
  EXPECT_TRUE(unbounded.body.contains("from")) << unbounded.body;
  const auto elsewhere = co_await test.call({"GET /v1/audit/sessions", {{"text", "x"}, {"from", from}}}, test.admin);
  EXPECT_EQ(elsewhere.status, 400);
}

}  // namespace
}  // namespace portolan::control
