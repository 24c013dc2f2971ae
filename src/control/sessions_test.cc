// Sessions that go on: listed while they do, and ended at their node.
#include <gtest/gtest.h>

#include <algorithm>

#include "api/health.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::RunningWatch;
using testing::TestPlane;

api::AuditRecord record(std::string session, std::uint64_t sequence, std::string kind) {
  api::AuditRecord out;
  out.kind = std::move(kind);
  out.session = std::move(session);
  out.sequence = sequence;
  out.time = Clock::real().wall();
  out.account = "a-1";
  out.email = "ann@example.com";
  out.resource = "rs-1";
  out.resource_name = "billing";
  out.type = "tcp";
  return out;
}

net::Task<std::string> listed(TestPlane& test, std::map<std::string, std::string> query = {}) {
  const auto page = co_await test.get<api::Page<api::SessionEntry>>({"GET /v1/sessions", std::move(query)}, test.admin);
  if (!page) co_return page.error().message;
  std::string out;
  for (const auto& session : page->items) out += session.session + " ";
  co_return out;
}

net::Task<std::size_t> ends_noted(TestPlane& test) {
  const auto all = co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities"}, test.admin);
  co_return all ? static_cast<std::size_t>(std::ranges::count(all->items, "session.ended", &api::ActivityView::verb))
                : 999;
}

CO_TEST(Sessions, ListedWhileTheyGoOn) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const api::AuditBatch batch{{record("s-1", 1, "session.started"), record("s-2", 1, "session.started")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate));
  CO_ASSERT_EQ(co_await listed(test), "");  // the node is not there
  RunningWatch watch(test, "/v1/node", relay->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  CO_ASSERT_EQ(co_await listed(test), "s-1 s-2 ");
  CO_ASSERT_EQ(co_await listed(test, {{"account", "bob@example.com"}}),
               "there is no account \"bob@example.com\", and none on record in that time");
  const api::AuditBatch ended{{record("s-1", 2, "session.ended")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", ended, relay->by_certificate));
  CO_ASSERT_EQ(co_await listed(test), "s-2 ");
  const auto shown = co_await test.get<api::SessionEntry>({"GET /v1/sessions/s-1"}, test.admin);
  CO_ASSERT_OK(shown);
  EXPECT_TRUE(shown->ended);
  EXPECT_EQ(shown->node_name, "relay-1");
  const auto page = co_await test.get<api::Page<api::SessionEntry>>({"GET /v1/sessions"}, test.admin);
  CO_ASSERT_OK(page);
  CO_ASSERT_EQ(page->items.size(), 1U);
  EXPECT_EQ(page->items.front().node_name, "relay-1");
  co_await watch.end();
}

CO_TEST(Sessions, AnAdminEndsOne) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const api::AuditBatch batch{{record("s-1", 1, "session.started")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate));
  const auto away = co_await test.call({"DELETE /v1/sessions/s-1"}, test.admin);
  EXPECT_EQ(away.status, 503) << away.body;
  CO_ASSERT_EQ(co_await ends_noted(test), 0U);
  RunningWatch watch(test, "/v1/node", relay->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  const auto ended = co_await test.call({"DELETE /v1/sessions/s-1"}, test.admin);
  EXPECT_EQ(ended.status, 204) << ended.body;
  const auto told = co_await watch.sink.next_of<api::NodeEvent>("end");
  CO_ASSERT_OK(told);
  EXPECT_EQ(told->sessions, std::vector<std::string>{"s-1"});
  EXPECT_EQ(told->reason, "ended by admin@example.com");
  const auto activities = co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities"}, test.admin);
  CO_ASSERT_OK(activities);
  EXPECT_EQ(activities->items.back().verb, "session.ended");
  EXPECT_EQ(activities->items.back().object, "s-1");
  const auto none = co_await test.call({"DELETE /v1/sessions/s-9"}, test.admin);
  EXPECT_EQ(none.status, 404) << none.body;
  const api::AuditBatch over{{record("s-1", 2, "session.ended")}};
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", over, relay->by_certificate));
  const auto again = co_await test.call({"DELETE /v1/sessions/s-1"}, test.admin);
  EXPECT_EQ(again.status, 409) << again.body;
  co_await watch.end();
}

// What a node whose process began ten seconds ago says of itself, and of what lives there.
net::Task<Result<>> report(TestPlane& test, const testing::JoinedNode& node, std::uint64_t backlog,
                           std::vector<std::string> live) {
  api::NodeHealth health;
  health.version = "1";
  health.time = Clock::real().wall();
  health.uptime_s = 10;
  health.load.audit_backlog_bytes = backlog;
  CO_CHECK(co_await test.post<api::NodeHealthAnswer>("/v1/node/health", health, node.by_certificate));
  api::LiveSessions sessions;
  for (auto& session : live) sessions.sessions.push_back({std::move(session), "l-1", "a-1", "rs-1"});
  CO_CHECK(co_await test.post<api::LiveSessionsAnswer>("/v1/node/sessions", sessions, node.by_certificate));
  co_return Result<>{};
}

CO_TEST(Sessions, OfAKilledNodeEndWhenItIsBack) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  api::AuditBatch batch{{record("s-old", 1, "session.started"), record("s-kept", 1, "session.started"),
                         record("s-new", 1, "session.started")}};
  batch.records[0].time -= std::chrono::hours(1);
  batch.records[1].time -= std::chrono::hours(1);
  const WallTime last_known = batch.records[0].time;
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", batch, relay->by_certificate));
  RunningWatch watch(test, "/v1/node", relay->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));

  // Records of the process before are still under way: nothing is ended, and an admin is not told that it was.
  CO_ASSERT_OK(co_await report(test, *relay, 1000, {"s-kept"}));
  CO_ASSERT_EQ(co_await listed(test), "s-old s-kept s-new ");
  const auto gone = co_await test.call({"DELETE /v1/sessions/s-old"}, test.admin);
  EXPECT_EQ(gone.status, 409) << gone.body;
  EXPECT_NE(gone.body.find("not_live"), std::string::npos) << gone.body;
  CO_ASSERT_EQ(co_await ends_noted(test), 0U);

  CO_ASSERT_OK(co_await report(test, *relay, 0, {"s-kept"}));
  CO_ASSERT_EQ(co_await listed(test), "s-kept s-new ");
  const auto shown = co_await test.get<api::SessionEntry>({"GET /v1/sessions/s-old"}, test.admin);
  CO_ASSERT_OK(shown);
  EXPECT_EQ(shown->ended, last_known);
  EXPECT_EQ(shown->reason, "lost: relay-1 was restarted");
  const auto ended = co_await test.call({"DELETE /v1/sessions/s-old"}, test.admin);
  EXPECT_EQ(ended.status, 409) << ended.body;
  CO_ASSERT_EQ(co_await ends_noted(test), 0U);
  // One that has begun since the report may live.
  const auto fresh = co_await test.call({"DELETE /v1/sessions/s-new"}, test.admin);
  EXPECT_EQ(fresh.status, 204) << fresh.body;

  api::AuditBatch late{{record("s-old", 2, "session.ended")}};
  late.records[0].reason = "client closed";
  CO_ASSERT_OK(co_await test.post<api::AuditAcknowledged>("/v1/node/audit", late, relay->by_certificate));
  const auto known = co_await test.get<api::SessionEntry>({"GET /v1/sessions/s-old"}, test.admin);
  CO_ASSERT_OK(known);
  EXPECT_EQ(known->reason, "client closed");
  co_await watch.end();
}

}  // namespace
}  // namespace portolan::control
