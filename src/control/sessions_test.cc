// Sessions that go on: listed while they do, and ended at their node.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace portolan::control
