// Explicit routing over the API: peering groups and egress filters, and who keeps to them.
#include "control/peering_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "api/apply.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TestPlane;
using Group = api::PeeringGroupView;

std::string why(const auto& result) { return result ? "none" : result.error().message; }

net::Task<Result<Group>> make(TestPlane& test, api::PeeringGroupCreate request) {
  co_return co_await test.post<Group>("/v1/peering-groups", std::move(request), test.admin);
}
net::Task<Result<Group>> patch(TestPlane& test, std::string name, std::string body) {
  co_return co_await test.get<Group>({"PATCH /v1/peering-groups/" + name, {}, std::move(body)}, test.admin);
}
net::Task<Result<Group>> show(TestPlane& test, std::string name) {
  co_return co_await test.get<Group>({"GET /v1/peering-groups/" + name}, test.admin);
}

CO_TEST(PeeringGroups, AreMadeChangedAndRemoved) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  CO_ASSERT_OK(co_await test.join("relay", "relay-1"));
  CO_ASSERT_OK(co_await test.join("relay", "relay-2"));
  const auto edge = co_await make(test, {.name = "edge"});
  CO_ASSERT_OK(edge);
  EXPECT_TRUE(edge->id.starts_with("pg-"));
  const auto berlin = co_await make(test, {.name = "berlin",
                                           .nodes = std::vector<std::string>{"relay-2", "relay-1", "relay-2"},
                                           .resources = std::vector<std::string>{"billing"},
                                           .peers = std::vector<std::string>{"edge"}});
  CO_ASSERT_OK(berlin);
  EXPECT_EQ(berlin->nodes.size(), 2U);
  EXPECT_THAT(berlin->resource_names, ElementsAre("billing"));
  EXPECT_THAT(berlin->peer_names, ElementsAre("edge"));
  // Peers are so both ways, whoever says so.
  const auto peer = co_await show(test, "edge");
  CO_ASSERT_OK(peer);
  EXPECT_THAT(peer->peer_names, ElementsAre("berlin"));
  CO_ASSERT_OK(co_await patch(test, "edge", R"({"peers":[],"name":"rim"})"));
  const auto alone = co_await show(test, berlin->id);
  CO_ASSERT_OK(alone);
  EXPECT_THAT(alone->peers, IsEmpty());
  EXPECT_GT(alone->revision, berlin->revision);
  CO_ASSERT_OK(co_await patch(test, "rim", R"({"peers":["berlin"]})"));

  const auto list =
      co_await test.get<api::Page<Group>>({"GET /v1/peering-groups", {{"filter", "resource_names~bill"}}}, test.admin);
  CO_ASSERT_OK(list);
  CO_ASSERT_EQ(list->items.size(), 1U);
  // What goes is in no group any more.
  {
    const auto said = co_await test.call({"DELETE /v1/resources/billing"}, test.admin);
    EXPECT_EQ(said.status, 204);
  }
  {
    const auto said = co_await test.call({"DELETE /v1/peering-groups/rim"}, test.admin);
    EXPECT_EQ(said.status, 204);
  }
  const auto left = co_await show(test, "berlin");
  CO_ASSERT_OK(left);
  EXPECT_THAT(left->resources, IsEmpty());
  EXPECT_THAT(left->peers, IsEmpty());
  const auto activities =
      co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities", {{"limit", "1"}}}, test.admin);
  CO_ASSERT_OK(activities);
  EXPECT_EQ(activities->items.at(0).verb, "peering_group.deleted");
  EXPECT_EQ(activities->items.at(0).object_name, "rim");
}

CO_TEST(PeeringGroups, RefuseWhatIsNotThere) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make(test, {.name = "edge"}));
  using Names = std::vector<std::string>;
  {
    const auto said = co_await make(test, {.name = "edge"});
    EXPECT_THAT(why(said), HasSubstr("already has name \"edge\""));
  }
  {
    const auto said = co_await make(test, {.name = "a b"});
    EXPECT_THAT(why(said), HasSubstr("allowed are"));
  }
  {
    const auto said = co_await make(test, {.name = "x", .nodes = Names{"gone"}});
    EXPECT_THAT(why(said), HasSubstr("nodes: there is no node \"gone\""));
  }
  {
    const auto said = co_await make(test, {.name = "x", .resources = Names{"gone"}});
    EXPECT_THAT(why(said), HasSubstr("resources: there is no resource \"gone\""));
  }
  {
    const auto said = co_await make(test, {.name = "x", .peers = Names{"gone"}});
    EXPECT_THAT(why(said), HasSubstr("peers: there is no peering group \"gone\""));
  }
  {
    const auto said = co_await patch(test, "edge", R"({"peers":["edge"]})");
    EXPECT_THAT(why(said), HasSubstr("leave it out"));
  }
  {
    const auto said = co_await patch(test, "gone", "{}");
    EXPECT_THAT(why(said), HasSubstr("there is no peering group"));
  }
  {
    const auto said = co_await test.call({"PATCH /v1/peering-groups/edge", {}, R"({"node":[]})"}, test.admin);
    EXPECT_EQ(said.status, 400);
  }
  const auto stale =
      co_await test.call({"PATCH /v1/peering-groups/edge", {}, R"({"name":"e"})", {{"if-match", "\"1\""}}}, test.admin);
  EXPECT_EQ(stale.status, 412);
}

// The lease is the last word: a node outside gets none, and loses those that it has.
CO_TEST(PeeringGroups, LeasesKeepToThem) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  const auto inside = co_await test.join("relay", "relay-in");
  const auto outside = co_await test.join("relay", "relay-out");
  const auto ann = co_await test.sign_in("admin@example.com");
  CO_ASSERT_TRUE(inside && outside && ann);
  const auto resource = co_await test.resource_id("billing");
  CO_ASSERT_OK(resource);
  const auto ask = [&](const testing::JoinedNode& node) -> net::Task<Result<api::Lease>> {
    api::LeaseRequest request;
    request.assertion = testing::assertion_of(*ann, *resource, node.joined.node, test.clock.wall());
    request.request = make_token(8);
    co_return co_await test.post<api::Lease>("/v1/leases", std::move(request), node.by_certificate);
  };
  CO_ASSERT_OK(co_await ask(*outside));
  testing::RunningWatch watch(test, "/v1/node", outside->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  CO_ASSERT_OK(co_await make(test, {.name = "berlin",
                                    .nodes = std::vector<std::string>{"relay-in"},
                                    .resources = std::vector<std::string>{"billing"}}));
  const auto revoked = co_await watch.sink.next_of<api::NodeEvent>("revoke");
  CO_ASSERT_OK(revoked);
  EXPECT_EQ(revoked->code, "not_egress");
  EXPECT_THAT(revoked->reason.value_or(""), HasSubstr("in none of the resource's peering groups (\"berlin\")"));
  CO_ASSERT_OK(co_await ask(*inside));
  {
    const auto said = co_await ask(*outside);
    EXPECT_THAT(why(said), HasSubstr("in none of the resource's peering groups"));
  }
  CO_ASSERT_OK(co_await test.get<api::ResourceView>(
      {"PATCH /v1/resources/billing", {}, R"({"egress_filter":"env=prod"})"}, test.admin));
  {
    const auto said = co_await ask(*inside);
    EXPECT_THAT(why(said), HasSubstr("the resource's egress filter (env=prod) does not admit it"));
  }
  CO_ASSERT_OK(co_await test.get<api::NodeStatusView>({"PATCH /v1/nodes/relay-in", {}, R"({"tags":{"env":"prod"}})"},
                                                      test.admin));
  CO_ASSERT_OK(co_await ask(*inside));
  co_await watch.end();
}

CO_TEST(PeeringGroups, NodesAreToldOnlyOfThoseTheyMayBeLinkedWith) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto gateway = co_await test.join("gateway", "gateway-1");
  CO_ASSERT_OK(co_await test.join("gateway", "gateway-2"));
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(gateway && relay);
  const auto seen = [&](const testing::JoinedNode& node) -> net::Task<std::string> {
    const auto view = co_await test.get<api::NodeView>({"GET /v1/node"}, node.by_certificate);
    std::set<std::string> all;
    if (view)
      for (const auto& peer : view->nodes) all.insert(peer.name);
    std::string names;
    for (const auto& name : all) names += name + " ";
    co_return names;
  };
  CO_ASSERT_EQ(co_await seen(*relay), "gateway-1 gateway-2 ");
  using Names = std::vector<std::string>;
  CO_ASSERT_OK(co_await make(test, {.name = "a", .nodes = Names{"gateway-1"}}));
  CO_ASSERT_OK(co_await make(test, {.name = "b", .nodes = Names{"relay-1"}}));
  CO_ASSERT_EQ(co_await seen(*relay), "gateway-2 ");
  CO_ASSERT_EQ(co_await seen(*gateway), "gateway-2 ");
  CO_ASSERT_OK(co_await patch(test, "a", R"({"peers":["b"]})"));
  CO_ASSERT_EQ(co_await seen(*relay), "gateway-1 gateway-2 ");
}

CO_TEST(EgressFilters, AreCheckedAndWarnedAbout) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  CO_ASSERT_OK(co_await test.join("relay", "relay-1"));
  const auto filter = [&](std::string text) -> net::Task<Result<api::ResourceView>> {
    co_return co_await test.get<api::ResourceView>(
        {"PATCH /v1/resources/billing", {}, R"({"egress_filter":")" + text + "\"}"}, test.admin);
  };
  {
    const auto said = co_await filter("env");
    EXPECT_THAT(why(said), HasSubstr("egress_filter: the term \"env\" must be KEY=VALUE"));
  }
  const auto nobody = co_await filter("env=prod");
  CO_ASSERT_OK(nobody);
  CO_ASSERT_EQ(nobody->warnings.size(), 1U);
  EXPECT_THAT(nobody->warnings[0], HasSubstr("its egress filter (env=prod) admits none of the nodes"));
  // People are told the same.
  const auto ann = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(ann);
  const auto view = co_await test.get<api::AgentView>({"GET /v1/agent"}, ann->by_certificate);
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->resources.at(0).health->state, "unreachable");
  EXPECT_THAT(view->resources.at(0).health->reason.value_or(""), HasSubstr("egress filter (env=prod)"));
  {
    const auto said = co_await test.call({"PATCH /v1/nodes/relay-1", {}, R"({"tags":{"a b":"x"}})"}, test.admin);
    EXPECT_EQ(said.status, 400);
  }
  CO_ASSERT_OK(co_await test.get<api::NodeStatusView>({"PATCH /v1/nodes/relay-1", {}, R"({"tags":{"env":"prod"}})"},
                                                      test.admin));
  const auto good = co_await test.get<api::ResourceView>({"GET /v1/resources/billing"}, test.admin);
  CO_ASSERT_OK(good);
  EXPECT_THAT(good->warnings, IsEmpty());
  const auto reached = co_await test.get<api::AgentView>({"GET /v1/agent"}, ann->by_certificate);
  CO_ASSERT_OK(reached);
  EXPECT_EQ(reached->resources.at(0).egress.size(), 1U);
  CO_ASSERT_OK(co_await filter(""));
}

// ---- apply ----

net::Task<std::string> apply(TestPlane& test, std::string body) {
  const auto answer = co_await test.get<api::ApplyAnswer>({"POST /v1/apply", {}, std::move(body)}, test.admin);
  if (!answer) co_return answer.error().message;
  std::string out;
  for (const auto& change : answer->changes) {
    out += change.action + " " + change.kind + " " + change.name;
    for (const auto& each : change.members)
      out += " " + each.member + ":" + each.before.value_or("-") + ">" + each.after.value_or("-");
    out += "\n";
  }
  co_return out;
}

CO_TEST(PeeringGroups, AreApplied) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.join("relay", "relay-1"));
  CO_ASSERT_OK(co_await make(test, {.name = "old"}));
  const std::string file =
      R"("resources":[{"name":"billing","type":"tcp","host":"h","port":1,"egress_filter":"env=prod"}],
    "peering_groups":[{"name":"berlin","nodes":["relay-1"],"resources":["billing"],"peers":["edge","old"]},
                      {"name":"edge"}])";
  const auto dry =
      co_await test.get<api::ApplyAnswer>({"POST /v1/apply", {}, "{\"dry_run\":true," + file + "}"}, test.admin);
  CO_ASSERT_OK(dry);
  CO_ASSERT_EQ(co_await apply(test, "{\"plan\":\"" + dry->plan + "\"," + file + "}"),
               "create resource billing type:->tcp host:->h port:->1 local_port:->10001 egress_filter:->env=prod\n"
               "create peering_group berlin nodes:->relay-1 resources:->billing peers:->edge, old\n"
               "create peering_group edge peers:->berlin\n"
               "update peering_group old peers:->berlin\n");
  CO_ASSERT_EQ(co_await apply(test, "{" + file + "}"), "");
  const auto old = co_await show(test, "old");
  CO_ASSERT_OK(old);
  EXPECT_THAT(old->peer_names, ElementsAre("berlin"));
  // Without what goes, and with what is not named as it is.
  CO_ASSERT_EQ(co_await apply(test, R"({"prune":true,"peering_groups":[{"name":"berlin"},{"name":"edge"}]})"),
               "delete peering_group old\nupdate peering_group berlin peers:edge, old>edge\n");
  CO_ASSERT_EQ(co_await apply(test, R"({"prune":true,"resources":[]})"), "delete resource billing\n");
  const auto left = co_await show(test, "berlin");
  CO_ASSERT_OK(left);
  EXPECT_THAT(left->resources, IsEmpty());
  EXPECT_THAT(left->peer_names, ElementsAre("edge"));
}

CO_TEST(PeeringGroups, OfAnApplyAreCheckedAllAtOnce) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  struct Case {
    const char* groups;
    const char* says;
  };
  const Case cases[] = {
      {R"({"name":"a b"})", "peering_groups[0] \"a b\": peering group \"a b\": allowed are"},
      {R"({"name":"a"},{"name":"a"})", "peering_groups[1] \"a\": name: is there twice"},
      {R"({"name":"a","nodes":["gone"]})", "nodes: there is no node \"gone\""},
      {R"({"name":"a","resources":["gone"]})", "resources: there is no resource \"gone\""},
      {R"({"name":"a","peers":["gone"]})", "peers: there is no peering group \"gone\""},
      {R"({"name":"a","peers":["a"]})", "leave it out"},
      {R"({"name":"a","peers":["b"]},{"name":"b","peers":[]})", "peers: \"b\" does not list it"},
  };
  for (const auto& each : cases) {
    const auto said = co_await apply(test, std::string(R"({"peering_groups":[)") + each.groups + "]}");
    EXPECT_THAT(said, HasSubstr(each.says));
  }
}

}  // namespace
}  // namespace portolan::control
