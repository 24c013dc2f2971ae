// Health over the API: what a node reports and is given to check, and who sees what of it.
#include "control/health.h"

#include <gtest/gtest.h>

#include "control/health_views.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::JoinedNode;
using testing::RunningWatch;
using testing::TestPlane;

// A node that reports what a test says and answers what it is given as the test says.
class TestNode {
 public:
  TestNode(TestPlane& test, const JoinedNode& node)
      : test_(test), node_(node), watch_(test, "/v1/node", node.by_certificate) {
    health.version = "1.1";
    health.checks = {"tcp", "postgres"};
  }
  net::Task<Result<api::NodeHealthAnswer>> report() {
    health.time = test_.clock.wall() + clock_ahead;
    auto answer = co_await test_.post<api::NodeHealthAnswer>("/v1/node/health", health, node_.by_certificate);
    health.results.clear();
    co_return answer;
  }
  // Takes what is due and answers it.
  net::Task<Result<std::size_t>> check(std::string code) {
    CO_TRY(const auto answer, co_await report());
    for (const auto& task : answer.tasks)
      health.results.push_back({task.id, task.nonce, code == "ok", code, "db.example.com:7000: it says why", 3});
    CO_CHECK(co_await report());
    co_return answer.tasks.size();
  }
  RunningWatch& watch() { return watch_; }
  const std::string& id() const { return node_.joined.node; }

  api::NodeHealth health;
  std::chrono::milliseconds clock_ahead{};

 private:
  TestPlane& test_;
  const JoinedNode& node_;
  RunningWatch watch_;
};

using HealthPage = api::Page<api::ResourceHealthView>;

CO_TEST(Health, WhatANodeFindsIsShownToAdminsAndAgents) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_TRUE(relay && admin);
  auto page = co_await test.get<HealthPage>({"GET /v1/health/resources"}, test.admin);
  CO_ASSERT_OK(page);
  CO_ASSERT_EQ(page->items.size(), 1U);
  EXPECT_EQ(page->items[0].state, "unknown");
  EXPECT_EQ(page->items[0].code, "node_down");

  TestNode node(test, *relay);
  CO_ASSERT_OK(co_await node.watch().sink.next_of<api::NodeEvent>("view"));
  RunningWatch agent(test, "/v1/agent", admin->by_certificate);
  auto view = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->view->resources.at(0).health->state, "unknown");
  page = co_await test.get<HealthPage>({"GET /v1/health/resources"}, test.admin);
  CO_ASSERT_OK(page);
  EXPECT_EQ(page->items[0].code, "not_supported") << "an old node reports nothing";
  EXPECT_NE(page->items[0].reason.find("version"), std::string::npos);

  auto done = co_await node.check("connection_refused");
  CO_ASSERT_OK(done);
  EXPECT_EQ(*done, 1U);
  page = co_await test.get<HealthPage>({"GET /v1/health/resources", {{"state", "unhealthy"}}}, test.admin);
  CO_ASSERT_OK(page);
  CO_ASSERT_EQ(page->items.size(), 1U);
  EXPECT_EQ(page->items[0].resource_name, "billing");
  EXPECT_EQ(page->items[0].node_name, "relay-1");
  EXPECT_EQ(page->items[0].code, "connection_refused");
  EXPECT_EQ(page->items[0].checks, 1U);
  EXPECT_NE(page->items[0].remedy->find("resources update billing"), std::string::npos) << *page->items[0].remedy;
  view = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->view->resources.at(0).health->state, "unreachable");
  EXPECT_EQ(view->view->resources.at(0).health->reason, "db.example.com:7000: it says why");
  co_await agent.end();
  co_await node.watch().end();
}

CO_TEST(Health, AgentsTryWhoReachesTheResourceFirst) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto first = co_await test.join("relay", "relay-1");
  const auto second = co_await test.join("relay", "relay-2");
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_TRUE(first && second && admin);
  TestNode one(test, *first);
  TestNode two(test, *second);
  CO_ASSERT_OK(co_await one.watch().sink.next_of<api::NodeEvent>("view"));
  CO_ASSERT_OK(co_await two.watch().sink.next_of<api::NodeEvent>("view"));
  RunningWatch agent(test, "/v1/agent", admin->by_certificate);
  auto view = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->view->resources.at(0).egress, (std::vector{one.id(), two.id()})) << "by name";
  CO_ASSERT_OK(co_await one.check("timeout"));
  CO_ASSERT_OK(co_await two.check("ok"));
  while (view && view->view->resources.at(0).health->state != "ok")
    view = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->view->resources.at(0).egress, (std::vector{two.id(), one.id()}));
  EXPECT_EQ(view->view->resources.at(0).health->egress, two.id());
  co_await agent.end();
  co_await one.watch().end();
  co_await two.watch().end();
}

net::Task<> ask(TestPlane& test, std::optional<Result<HealthPage>>& answer) {
  answer = co_await test.get<HealthPage>({"POST /v1/resources/billing/checks"}, test.admin);
}

CO_TEST(Health, AskedForANodeIsCalledAndItsAnswerComesBack) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  const auto other = co_await test.join("relay", "relay-2");
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  CO_ASSERT_TRUE(relay && other);
  TestNode node(test, *relay);
  CO_ASSERT_OK(co_await node.check("ok"));
  CO_ASSERT_OK(co_await node.watch().sink.next_of<api::NodeEvent>("view"));
  std::optional<Result<HealthPage>> answer;
  net::TaskGroup tasks(test.executor);
  tasks.spawn("ask", ask(test, answer));
  CO_ASSERT_OK(co_await node.watch().sink.next_of<api::NodeEvent>("health"));
  const auto done = co_await node.check("bad_credential");
  CO_ASSERT_OK(done);
  EXPECT_EQ(*done, 1U) << "though none is due";
  co_await tasks.join();
  CO_ASSERT_OK(*answer);
  const auto& items = (*answer)->items;
  CO_ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].state, "unhealthy");
  EXPECT_EQ(items[0].code, "bad_credential");
  EXPECT_EQ(items[1].state, "unknown");
  EXPECT_EQ(items[1].code, "node_down");
  const auto unknown = co_await test.get<HealthPage>({"POST /v1/resources/nothing/checks"}, test.admin);
  CO_ASSERT_ERROR(unknown, Code::kNotFound);
  co_await node.watch().end();
}

CO_TEST(Health, AWatchIsToldWhatChanges) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  CO_ASSERT_OK(relay);
  TestNode node(test, *relay);
  CO_ASSERT_OK(co_await node.watch().sink.next_of<api::NodeEvent>("view"));
  CO_ASSERT_OK(co_await node.check("ok"));
  RunningWatch resources(test, "/v1/health/resources", test.admin);
  const auto first = co_await resources.sink.next_of<api::ResourceHealthEvent>("health");
  CO_ASSERT_OK(first);
  EXPECT_EQ(first->health->state, "healthy");
  CO_ASSERT_OK(co_await resources.sink.next_of<api::ResourceHealthEvent>("listed"));
  RunningWatch nodes(test, "/v1/health/nodes", test.admin);
  const auto shown = co_await nodes.sink.next_of<api::NodeHealthEvent>("node");
  CO_ASSERT_OK(shown);
  EXPECT_EQ(shown->node->state, "up");
  EXPECT_EQ(shown->node->version, "1.1");

  node.clock_ahead = 7min;
  node.health.links = {{"n-gone", "gw:5000", "down", {}, "connect to gw:5000: connection refused\x1b[31m"}};
  CO_ASSERT_OK(co_await node.report());
  const auto troubled = co_await nodes.sink.next_of<api::NodeHealthEvent>("node");
  CO_ASSERT_OK(troubled);
  const std::string words = troubled->node->reason.value_or("");
  EXPECT_NE(words.find("its clock is 7m ahead"), std::string::npos) << words;
  EXPECT_NE(words.find("people cannot reach anything through it: not linked to n-gone (gw:5000)"), std::string::npos)
      << words;
  EXPECT_EQ(words.find('\x1b'), std::string::npos);

  co_await node.watch().end();
  const auto down = co_await nodes.sink.next_of<api::NodeHealthEvent>("node");
  CO_ASSERT_OK(down);
  EXPECT_EQ(down->node->state, "down");
  EXPECT_NE(down->node->reason->find("no connection to the control plane"), std::string::npos);
  const auto gone = co_await resources.sink.next_of<api::ResourceHealthEvent>("health");
  CO_ASSERT_OK(gone);
  EXPECT_EQ(gone->health->code, "node_down");
  const auto deleted = co_await test.call({"DELETE /v1/resources/billing"}, test.admin);
  EXPECT_EQ(deleted.status, 204);
  const auto removed = co_await resources.sink.next_of<api::ResourceHealthEvent>("removed");
  CO_ASSERT_OK(removed);
  EXPECT_EQ(removed->resource, first->health->resource);
  co_await resources.end();
  co_await nodes.end();
}

CO_TEST(Health, AForgedOrUselessReportChangesNothing) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  const auto other = co_await test.join("relay", "relay-2");
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  CO_ASSERT_TRUE(relay && other);
  TestNode node(test, *relay);
  TestNode thief(test, *other);
  CO_ASSERT_OK(co_await node.watch().sink.next_of<api::NodeEvent>("view"));
  const auto given = co_await node.report();
  CO_ASSERT_OK(given);
  CO_ASSERT_EQ(given->tasks.size(), 1U);
  const auto& task = given->tasks[0];
  CO_ASSERT_OK(co_await thief.report());
  thief.health.results = {{task.id, task.nonce, false, "bad_credential", "lies", 1}};
  CO_ASSERT_OK(co_await thief.report());
  node.health.results = {{task.id, Secret("guess"), false, "bad_credential", "lies", 1}};
  CO_ASSERT_OK(co_await node.report());
  const auto page = co_await test.get<HealthPage>({"GET /v1/health/resources", {{"node", "relay-1"}}}, test.admin);
  CO_ASSERT_OK(page);
  EXPECT_EQ(page->items.at(0).code, "never_checked");
  node.health.results.assign(300, {"ck-1", Secret("x"), true, "ok", "", 1});
  CO_ASSERT_ERROR(co_await node.report(), Code::kInvalid);
  const auto newer = co_await test.call(
      {"POST /v1/node/health",
       {},
       R"({"version":"9","time":"2026-01-01T00:00:00Z","uptime_s":1,"checks":[],"links":[],"results":[],"new":1,"load":{"sessions":0,"streams":0,"clients":0,"cpu_permille":0,"memory_bytes":0,"descriptors":0,"descriptor_limit":0,"audit_backlog_bytes":0}})"},
      relay->by_certificate);
  EXPECT_EQ(newer.status, 200) << newer.body;
  co_await node.watch().end();
  co_await thief.watch().end();
}

net::Task<> wait_once(Hub& hub, Topic topic, int& woken) {
  Watch watch(hub, topic);
  const auto waited = co_await watch.wait(1h);
  if (waited) ++woken;
}

CO_TEST(Health, WakesNoWatchOfTheDirectory) {
  Hub hub(co_await net::this_executor());
  int woken = 0;
  net::TaskGroup tasks(hub.executor());
  for (const Topic topic : {Topic::kDirectory, Topic::kHealth, Topic::kAgents})
    tasks.spawn("wait", wait_once(hub, topic, woken));
  while (hub.watches() < 3) co_await net::yield_to_loop();
  hub.wake(Topic::kHealth);
  while (hub.watches() == 3) co_await net::yield_to_loop();
  EXPECT_EQ(woken, 1);
  hub.directory_changed();
  co_await tasks.join();
  EXPECT_EQ(woken, 3);
}

TEST(Remedies, NameTheResourceAndTheCommand) {
  EXPECT_EQ(remedy("bad_credential", "billing"),
            "the credential kept for this resource is wrong; set it with: portolan admin resources update billing "
            "--ask-password");
  EXPECT_FALSE(remedy("sqlstate_XX000", "billing"));
}

}  // namespace
}  // namespace portolan::control
