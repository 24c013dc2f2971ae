#include <gtest/gtest.h>

#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::As;
using testing::LineSink;
using testing::TestPlane;

api::AuditRecord record_of(std::string session, std::uint64_t sequence, std::string kind, std::string text = "") {
  api::AuditRecord record;
  record.kind = std::move(kind);
  record.session = std::move(session);
  record.sequence = sequence;
  record.time = Clock::real().wall();
  record.trace = "t-1";
  record.account = "a-1";
  record.email = "ann@example.com";
  record.resource = "rs-1";
  record.resource_name = "billing";
  record.type = "postgres";
  if (!text.empty()) record.text = std::move(text);
  return record;
}

net::Task<> run_watch(TestPlane* test, std::string path, As as, net::http::Connection* connection, LineSink* sink) {
  net::http::Call call{.request = {.method = "GET", .path = path, .query = {{"watch", "1"}}, .headers = {}, .body = {}},
                       .path_arguments = {},
                       .connection = connection};
  call.request.headers["authorization"] = "Bearer " + as.token;
  const auto done = co_await (*test->plane->router().match("GET", path).stream_handler)(std::move(call), *sink);
  EXPECT_TRUE(done) << done.error().message;
}

CO_TEST(AuditLists, WhatANodeSendsIsListedOnce) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const api::AuditBatch batch{{record_of("s-1", 1, "session.started"), record_of("s-1", 2, "query", "SELECT 1")}};
  const auto stored = co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate);
  CO_ASSERT_OK(stored);
  EXPECT_EQ(stored->stored, 2U);
  // A node's word is taken for what happened, not for what things are called.
  for (const char* name : {"", "nonsense", "s-\x1b[2J"}) {
    const api::AuditBatch odd{{record_of(name, 1, "query", "SELECT 1")}};
    CO_ASSERT_ERROR(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", odd, relay->by_certificate),
                    Code::kInvalid);
  }
  const api::AuditBatch long_kind{{record_of("s-1", 9, std::string(10'000, 'k'), "SELECT 1")}};
  CO_ASSERT_ERROR(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", long_kind, relay->by_certificate),
                  Code::kInvalid);
  const auto again = co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate);
  CO_ASSERT_OK(again);
  EXPECT_EQ(again->known, 2U);
  const auto queries = co_await test.get<api::Page<api::AuditRecord>>(
      {"GET /v1/audit/queries", {{"account", "ann@example.com"}}}, test.admin);
  CO_ASSERT_OK(queries);
  CO_ASSERT_EQ(queries->items.size(), 1U);
  EXPECT_EQ(queries->items[0].text, "SELECT 1");
  EXPECT_EQ(queries->items[0].node, relay->joined.node);
  const auto sessions = co_await test.get<api::Page<api::SessionEntry>>(
      {"GET /v1/audit/sessions", {{"resource", "billing"}}}, test.admin);
  CO_ASSERT_OK(sessions);
  EXPECT_EQ(sessions->items.size(), 1U);
  const auto none =
      co_await test.get<api::Page<api::AuditRecord>>({"GET /v1/audit/queries", {{"session", "s-2"}}}, test.admin);
  CO_ASSERT_OK(none);
  EXPECT_TRUE(none->items.empty());
}

CO_TEST(AuditLists, PagesGoOnBehindTheCursor) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  api::AuditBatch batch{{record_of("s-1", 1, "session.started")}};
  for (std::uint64_t i = 2; i <= 6; ++i)
    batch.records.push_back(record_of("s-1", i, "query", "SELECT " + std::to_string(i)));
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate));
  std::vector<std::string> texts;
  std::optional<std::string> cursor = "0";
  while (cursor && texts.size() < 10) {
    const auto page = co_await test.get<api::Page<api::AuditRecord>>(
        {"GET /v1/audit/queries", {{"limit", "2"}, {"cursor", *cursor}}}, test.admin);
    CO_ASSERT_OK(page);
    for (const auto& query : page->items) texts.push_back(*query.text);
    cursor = page->cursor;
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"SELECT 2", "SELECT 3", "SELECT 4", "SELECT 5", "SELECT 6"}));
  const auto newest =
      co_await test.get<api::Page<api::AuditRecord>>({"GET /v1/audit/queries", {{"limit", "1"}}}, test.admin);
  CO_ASSERT_OK(newest);
  EXPECT_EQ(newest->items.at(0).text, "SELECT 6");
}

CO_TEST(AuditLists, AWatchGoesOnWithWhatComes) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const api::AuditBatch before{
      {record_of("s-1", 1, "session.started"), record_of("s-1", 2, "query", "SELECT 'before'")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", before, relay->by_certificate));
  LineSink sink(test.executor);
  net::http::Connection connection{.peer = "127.0.0.1"};
  net::TaskGroup tasks(test.executor);
  tasks.spawn("watch", run_watch(&test, "/v1/audit/queries", test.admin, &connection, &sink));
  const auto listed = co_await sink.next_of<api::AuditRecord>("query");
  CO_ASSERT_OK(listed);
  EXPECT_EQ(listed->text, "SELECT 'before'");
  const api::AuditBatch after{{record_of("s-1", 3, "query", "SELECT 'after'")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", after, relay->by_certificate));
  auto line = co_await sink.next();
  while (line && *line == R"({"kind":"heartbeat"})") line = co_await sink.next();
  CO_ASSERT_OK(line);
  EXPECT_NE(line->find("SELECT 'after'"), std::string::npos) << *line;
  auto beat = co_await sink.next();
  CO_ASSERT_OK(beat);
  EXPECT_EQ(*beat, R"({"kind":"heartbeat"})");
  sink.leave();
  co_await tasks.join();
}

CO_TEST(AuditLists, ActivitiesSayWhoDidWhat) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto role = co_await test.post<api::RoleView>("/v1/roles", api::RoleCreate{"dba"}, test.admin);
  CO_ASSERT_OK(role);
  const auto all = co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities"}, test.admin);
  CO_ASSERT_OK(all);
  CO_ASSERT_TRUE(!all->items.empty());
  const auto& last = all->items.back();
  EXPECT_EQ(last.verb, "role.created");
  EXPECT_EQ(last.object, role->id);
  EXPECT_EQ(last.actor, test.plane->core().lookup()->account("admin@example.com")->id);
  const auto ann = co_await test.get<api::Page<api::ActivityView>>(
      {"GET /v1/audit/activities", {{"account", "ann@example.com"}}}, test.admin);
  CO_ASSERT_OK(ann);
  CO_ASSERT_EQ(ann->items.size(), 1U);
  EXPECT_EQ(ann->items[0].verb, "account.created");
  const auto forward = co_await test.get<api::Page<api::ActivityView>>(
      {"GET /v1/audit/activities", {{"cursor", "0"}, {"limit", "1"}, {"account", "ann@example.com"}}}, test.admin);
  CO_ASSERT_OK(forward);
  CO_ASSERT_EQ(forward->items.size(), 1U);
  EXPECT_EQ(forward->items[0].verb, "account.created");
  EXPECT_EQ(last.actor_name, "admin@example.com");
  EXPECT_EQ(last.object_name, "dba");
}

// By the names that they had, with what connected them; the same name given anew is found beside them.
CO_TEST(AuditLists, ActivitiesOfWhatIsGoneAreFound) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.make_account("joann@example.com"));
  CO_ASSERT_OK(co_await test.post<api::RoleView>("/v1/roles", api::RoleCreate{"dba"}, test.admin));
  const api::MembershipCreate membership{"ann@example.com", "dba"};
  CO_ASSERT_OK(co_await test.post<api::MembershipView>("/v1/memberships", membership, test.admin));
  const auto verbs = [&](std::string account) -> net::Task<std::string> {
    const auto page = co_await test.get<api::Page<api::ActivityView>>(
        {"GET /v1/audit/activities", {{"account", std::move(account)}}}, test.admin);
    if (!page) co_return page.error().message;
    std::string out;
    for (const auto& activity : page->items) out += activity.verb + " " + activity.object_name + "; ";
    co_return out;
  };
  const std::string made = "account.created ann@example.com; membership.created ann@example.com → dba; ";
  CO_ASSERT_EQ(co_await verbs("ann@example.com"), made);
  EXPECT_EQ((co_await test.call({"DELETE /v1/accounts/ann@example.com"}, test.admin)).status, 204);
  const std::string gone = made + "membership.deleted ann@example.com → dba; account.deleted ann@example.com; ";
  CO_ASSERT_EQ(co_await verbs("Ann@Example.com"), gone);
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_EQ(co_await verbs("ann@example.com"), gone + "account.created ann@example.com; ");
  CO_ASSERT_EQ(co_await verbs("anne@example.com"),
               "there is no account \"anne@example.com\", and none on record in that time");
  for (const char* list : {"activities", "sessions", "queries"}) {
    const auto unknown =
        co_await test.call({std::string("GET /v1/audit/") + list, {{"resource", "nothing"}}}, test.admin);
    EXPECT_EQ(unknown.status, 404) << list;
  }
}

}  // namespace
}  // namespace portolan::control
