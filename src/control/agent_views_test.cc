// What agents are told stays true though most of it is kept from one change to the next.
#include "control/agent_views.h"

#include <gtest/gtest.h>

#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::RunningWatch;
using testing::TestPlane;

// The names of the next view, apart by spaces.
net::Task<std::string> next_names(RunningWatch& agent) {
  const auto event = co_await agent.sink.next_of<api::AgentEvent>("view");
  if (!event) co_return event.error().message;
  std::string out;
  for (const auto& resource : event->view->resources) out += (out.empty() ? "" : " ") + resource.name;
  co_return out;
}

CO_TEST(AgentViews, FollowEveryKindOfChange) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  CO_ASSERT_OK(co_await test.give("ann@example.com", "billing"));
  CO_ASSERT_OK(co_await test.give("ann@example.com", "ledger"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  RunningWatch agent(test, "/v1/agent", ann->by_certificate);
  CO_ASSERT_EQ(co_await next_names(agent), "billing ledger");

  // A resource renamed goes to its place among the others.
  co_await test.call({"PATCH /v1/resources/billing", {}, R"({"name":"zoo"})"}, test.admin);
  CO_ASSERT_EQ(co_await next_names(agent), "ledger zoo");
  // Access that comes and goes.
  CO_ASSERT_OK(co_await test.post<api::ResourceView>(
      "/v1/resources", api::ResourceCreate{.name = "extra", .type = "tcp", .host = "h", .port = 1}, test.admin));
  CO_ASSERT_OK(co_await test.post<api::GrantView>("/v1/grants", api::GrantCreate{"ledger", "extra"}, test.admin));
  CO_ASSERT_EQ(co_await next_names(agent), "extra ledger zoo");
  co_await test.call({"DELETE /v1/roles/ledger"}, test.admin);
  CO_ASSERT_EQ(co_await next_names(agent), "zoo");
  // What the view says of nodes.
  co_await test.call({"PATCH /v1/nodes/relay-1", {}, R"({"name":"relay-9"})"}, test.admin);
  const auto event = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(event);
  EXPECT_EQ(event->view->egresses->at(0).name, "relay-9");
  co_await test.call({"DELETE /v1/resources/zoo"}, test.admin);
  CO_ASSERT_EQ(co_await next_names(agent), "");
  co_await agent.end();
}

// Also when the grant ends together with a change that has nothing to do with access.
CO_TEST(AgentViews, AGrantEndsWithoutAChangeOfAccess) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.give("ann@example.com", "billing"));
  CO_ASSERT_OK(co_await test.post<api::ResourceView>(
      "/v1/resources", api::ResourceCreate{.name = "extra", .type = "tcp", .host = "h", .port = 1}, test.admin));
  api::GrantCreate grant{"billing", "extra"};
  grant.ends = clock.wall() + std::chrono::seconds(10);
  CO_ASSERT_OK(co_await test.post<api::GrantView>("/v1/grants", grant, test.admin));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  RunningWatch agent(test, "/v1/agent", ann->by_certificate);
  CO_ASSERT_EQ(co_await next_names(agent), "billing extra");
  clock.advance(std::chrono::seconds(11));
  co_await test.call({"PATCH /v1/resources/billing", {}, R"({"name":"renamed"})"}, test.admin);
  CO_ASSERT_EQ(co_await next_names(agent), "renamed");
  co_await agent.end();
}

// The browser's names of a web resource; settings of a newer release leave them out and do no harm.
CO_TEST(AgentViews, SayTheHostsOfAWebResource) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.give("ann@example.com", "billing"));
  api::ResourceCreate wiki{.name = "wiki", .type = "http", .host = "wiki.corp.example", .port = 8443};
  wiki.settings = {{"tls", "require"}, {"aliases", "static=static.corp.example"}, {"audit", "strict"}};
  const auto made = co_await test.post<api::ResourceView>("/v1/resources", wiki, test.admin);
  CO_ASSERT_OK(made);
  CO_ASSERT_OK(co_await test.post<api::GrantView>("/v1/grants", api::GrantCreate{"billing", "wiki"}, test.admin));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  RunningWatch agent(test, "/v1/agent", ann->by_certificate);
  auto event = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(event);
  CO_ASSERT_EQ(event->view->resources.size(), 2U);
  EXPECT_FALSE(event->view->resources[0].web.has_value());
  const auto& web = event->view->resources[1].web;
  CO_ASSERT_TRUE(web.has_value());
  CO_ASSERT_EQ(web->size(), 2U);
  EXPECT_EQ((*web)[0].label, "");
  EXPECT_EQ((*web)[0].origin, "https://wiki.corp.example:8443");
  EXPECT_EQ((*web)[1].label, "static");
  EXPECT_EQ((*web)[1].origin, "https://static.corp.example");

  // As a newer release may have left it.
  CO_ASSERT_OK(co_await test.plane->core().change("test", [id = made->id](store::Change& change) -> Result<> {
    auto resource = change.now().resources.find(id)->second;
    resource.settings["http_version"] = "3";
    return change.put(resource);
  }));
  event = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(event);
  CO_ASSERT_EQ(event->view->resources.size(), 2U);
  EXPECT_EQ(event->view->resources[1].name, "wiki");
  EXPECT_FALSE(event->view->resources[1].web.has_value());
  co_await agent.end();
}

TEST(WithMember, PutsItLast) {
  EXPECT_EQ(with_member("{}", "a", "[]"), R"({"a":[]})");
  EXPECT_EQ(with_member(R"({"b":1})", "a", "{}"), R"({"b":1,"a":{}})");
}

}  // namespace
}  // namespace portolan::control
