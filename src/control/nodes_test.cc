// Nodes and agents: joining, watching, and being told at once what changes.
#include <gtest/gtest.h>

#include "base/id.h"
#include "control/join.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::JoinedNode;
using testing::Person;
using testing::RunningWatch;
using testing::TestPlane;

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

api::JoinRequest join_request(const Secret& token, std::string name, std::string address = "") {
  return {.token = token,
          .public_key = crypto::PrivateKey::generate().public_key().pem(),
          .name = std::move(name),
          .address = std::move(address),
          .version = "1.0"};
}

CO_TEST(Nodes, AJoinTokenMakesOneNode) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto made =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, {}}, test.admin);
  CO_ASSERT_OK(made);
  const auto& ca = test.plane->core().authorities.server.certificate();
  EXPECT_TRUE(made->token.reveal().starts_with("pjt1."));
  EXPECT_TRUE(made->token.reveal().ends_with("." + ca.fingerprint()));
  const auto joined = co_await test.post<api::Joined>("/v1/node/join", join_request(made->token, "relay-1"), As{});
  CO_ASSERT_OK(joined);
  EXPECT_EQ(joined->kind, "relay");
  const auto leaf = crypto::Certificate::from_pem(joined->certificate);
  CO_ASSERT_OK(leaf);
  EXPECT_TRUE(crypto::verify_leaf(*leaf, test.plane->core().authorities.node.certificate(), crypto::Profile::kNode,
                                  test.clock.wall()));
  const auto again = co_await test.post<api::Joined>("/v1/node/join", join_request(made->token, "relay-2"), As{});
  CO_ASSERT_EQ(reason(again), "join_token");
  EXPECT_NE(again.error().message.find("has been used, by node " + joined->node), std::string::npos)
      << again.error().message;
  const auto tokens = co_await test.get<api::Page<api::JoinTokenView>>({"GET /v1/join-tokens"}, test.admin);
  CO_ASSERT_OK(tokens);
  EXPECT_EQ(tokens->items.at(0).used_by, joined->node);
}

CO_TEST(Nodes, OfTwoAtOnceOneJoins) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto made =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, {}}, test.admin);
  CO_ASSERT_OK(made);
  int joined = 0;
  net::TaskGroup tasks(test.executor);
  auto attempt = [](TestPlane* plane, Secret token, std::string name, int* count) -> net::Task<> {
    const auto done = co_await plane->post<api::Joined>("/v1/node/join", join_request(token, name), As{});
    *count += done ? 1 : 0;
  };
  for (int i = 0; i < 5; ++i) tasks.spawn("join", attempt(&test, made->token, "relay-" + std::to_string(i), &joined));
  co_await tasks.join();
  EXPECT_EQ(joined, 1);
}

CO_TEST(Nodes, BadJoinsAreRefusedClearly) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto& ca = test.plane->core().authorities.server.certificate().fingerprint();
  const auto relay =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, {}}, test.admin);
  const auto gateway =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"gateway", {}, {}}, test.admin);
  CO_ASSERT_TRUE(relay && gateway);
  CO_ASSERT_OK(co_await test.join("relay", "taken"));
  struct Case {
    const char* name;
    api::JoinRequest request;
    std::string reason;
  };
  const Case cases[] = {
      {"unknown", join_request(Secret(make_join_token(kJoinTokenPrefix, "AAAA", ca)), "x"), "join_token"},
      {"not a token", join_request(Secret("hello"), "x"), "join_token"},
      {"another control plane's",
       join_request(Secret(make_join_token(kJoinTokenPrefix, "AAAA", std::string(64, 'a'))), "x"), "join_token"},
      {"a relay that listens", join_request(relay->token, "x", "h:5000"), "invalid"},
      {"a gateway that does not", join_request(gateway->token, "x"), "invalid"},
      {"a gateway without a port", join_request(gateway->token, "x", "h"), "invalid"},
      {"a bad name", join_request(relay->token, "x y"), "invalid"},
      {"no name", join_request(relay->token, ""), "invalid"},
      {"a name that is taken", join_request(relay->token, "taken"), "conflict"},
  };
  for (const auto& each : cases) {
    const auto joined = co_await test.post<api::Joined>("/v1/node/join", each.request, As{});
    EXPECT_EQ(reason(joined), each.reason) << each.name << (joined ? "" : ": " + joined.error().message);
  }
  clock.advance(1h);
  const auto late = co_await test.post<api::Joined>("/v1/node/join", join_request(relay->token, "x"), As{});
  CO_ASSERT_EQ(reason(late), "join_token");
  EXPECT_NE(late.error().message.find("ended at"), std::string::npos) << late.error().message;
}

CO_TEST(Nodes, TheWatchTellsWhatANodeMustKnow) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto gateway = co_await test.join("gateway", "gateway-1");
  const auto relay = co_await test.join("relay", "relay-1");
  const auto membership = co_await test.give("admin@example.com", "billing");
  CO_ASSERT_TRUE(gateway && relay && membership);
  RunningWatch of_gateway(test, "/v1/node", gateway->by_certificate);
  RunningWatch of_relay(test, "/v1/node", relay->by_certificate);
  const auto first = co_await of_gateway.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_OK(first);
  CO_ASSERT_EQ(first->view->nodes.size(), 1U);
  EXPECT_EQ(first->view->nodes[0].id, relay->joined.node);
  CO_ASSERT_EQ(first->view->accounts.size(), 1U);
  EXPECT_EQ(first->view->accounts[0].nodes, std::vector{relay->joined.node});
  const auto relays = co_await of_relay.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_OK(relays);
  CO_ASSERT_EQ(relays->view->nodes.size(), 1U);
  EXPECT_EQ(relays->view->nodes[0].address, "gateway-1.example.com:5000");
  EXPECT_TRUE(relays->view->accounts.empty());

  const auto removed = co_await test.call({"DELETE /v1/memberships/" + membership->id}, test.admin);
  EXPECT_EQ(removed.status, 204);
  const auto second = co_await of_gateway.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_OK(second);
  EXPECT_TRUE(second->view->accounts.empty());
  EXPECT_GT(second->revision, first->revision);
  EXPECT_EQ(second->epoch, first->epoch);
  const auto before = co_await test.get<api::NodeStatusView>({"GET /v1/nodes/relay-1"}, test.admin);
  CO_ASSERT_OK(before);
  const auto beat = co_await of_relay.sink.next_of<api::NodeEvent>("heartbeat");
  CO_ASSERT_OK(beat);
  const auto after = co_await test.get<api::NodeStatusView>({"GET /v1/nodes/relay-1"}, test.admin);
  CO_ASSERT_OK(after);
  EXPECT_EQ(after->last_seen, before->last_seen) << "a heartbeat says nothing of the node";
  co_await of_gateway.end();
  co_await of_relay.end();
}

CO_TEST(Nodes, ASlowReaderGetsWhatIsNewest) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto gateway = co_await test.join("gateway", "gateway-1");
  CO_ASSERT_OK(gateway);
  RunningWatch watch(test, "/v1/node", gateway->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  watch.sink.hold();
  for (const char* name : {"relay-1", "relay-2", "relay-3"}) CO_ASSERT_OK(co_await test.join("relay", name));
  watch.sink.release();
  // The one that was on its way, and one for all that came meanwhile.
  const auto on_its_way = co_await watch.sink.next_of<api::NodeEvent>("view");
  const auto newest = co_await watch.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_TRUE(on_its_way && newest);
  EXPECT_EQ(on_its_way->view->nodes.size(), 1U);
  EXPECT_EQ(newest->view->nodes.size(), 3U);
  co_await watch.end();
}

CO_TEST(Nodes, StatesFollowTheWatch) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(relay);
  const auto state = [&test]() -> net::Task<std::string> {
    const auto node = co_await test.get<api::NodeStatusView>({"GET /v1/nodes/relay-1"}, test.admin);
    co_return node ? node->state + " " + node->version : node.error().message;
  };
  const auto before = co_await state();
  EXPECT_EQ(before, "new 1.0");
  RunningWatch watch(test, "/v1/node", relay->by_certificate, {{"version", "1.1"}});
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  const auto during = co_await state();
  EXPECT_EQ(during, "up 1.1");
  co_await watch.end();
  const auto after = co_await state();
  EXPECT_EQ(after, "down 1.1");
}

CO_TEST(Nodes, AGatewayMayMove) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto gateway = co_await test.join("gateway", "gateway-1");
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(gateway && relay);
  RunningWatch of_relay(test, "/v1/node", relay->by_certificate);
  CO_ASSERT_OK(co_await of_relay.sink.next_of<api::NodeEvent>("view"));
  RunningWatch moved(test, "/v1/node", gateway->by_certificate, {{"address", "elsewhere:5001"}});
  CO_ASSERT_OK(co_await moved.sink.next_of<api::NodeEvent>("view"));
  const auto told = co_await of_relay.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_OK(told);
  EXPECT_EQ(told->view->nodes.at(0).address, "elsewhere:5001");
  co_await moved.end();
  RunningWatch bad(test, "/v1/node", gateway->by_certificate, {{"address", "no port"}});
  co_await bad.ended();
  EXPECT_EQ(bad.sink.head->status, 400) << bad.sink.body;
  co_await of_relay.end();
}

CO_TEST(Nodes, AGatewaySaysWhereItTakesLinksOverWebSocket) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto gateway = co_await test.join("gateway", "gateway-1");
  const auto relay = co_await test.join("relay", "relay-1");
  CO_ASSERT_TRUE(gateway && relay);
  RunningWatch watch(test, "/v1/node", gateway->by_certificate,
                     {{"address", "elsewhere:5001"}, {"web_address", "gw.example:443"}});
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  RunningWatch of_relay(test, "/v1/node", relay->by_certificate);
  auto told = co_await of_relay.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_OK(told);
  EXPECT_EQ(told->view->nodes.at(0).web_address, "gw.example:443");
  co_await watch.end();
  RunningWatch without(test, "/v1/node", gateway->by_certificate, {{"address", "elsewhere:5002"}});
  CO_ASSERT_OK(co_await without.sink.next_of<api::NodeEvent>("view"));
  told = co_await of_relay.sink.next_of<api::NodeEvent>("view");
  CO_ASSERT_OK(told);
  EXPECT_FALSE(told->view->nodes.at(0).web_address) << "it takes none any more";
  co_await without.end();
  co_await of_relay.end();
  RunningWatch bad(test, "/v1/node", gateway->by_certificate, {{"web_address", "no port"}});
  co_await bad.ended();
  EXPECT_EQ(bad.sink.head->status, 400) << bad.sink.body;
  RunningWatch listens_not(test, "/v1/node", relay->by_certificate, {{"web_address", "relay.example:443"}});
  co_await listens_not.ended();
  EXPECT_EQ(listens_not.sink.head->status, 400) << listens_not.sink.body;
}

// The way of one revocation: a lease, a membership that goes, and the node is told before the admin has the answer
// read.
CO_TEST(Nodes, TakingAMembershipAwayRevokesAtOnce) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto relay = co_await test.join("relay", "relay-1");
  const auto membership = co_await test.give("ann@example.com", "billing");
  const auto resource = co_await test.resource_id("billing");
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_TRUE(relay && membership && resource && ann);
  RunningWatch watch(test, "/v1/node", relay->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  RunningWatch agent(test, "/v1/agent", ann->by_certificate);
  const auto first = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(first);
  CO_ASSERT_EQ(first->view->resources.size(), 1U);
  EXPECT_EQ(first->view->resources[0].egress, std::vector{relay->joined.node});

  const api::LeaseRequest request{assertion_of(*ann, *resource, relay->joined.node, test.clock.wall()), "q-1"};
  const auto lease = co_await test.post<api::Lease>("/v1/leases", request, relay->by_certificate);
  CO_ASSERT_OK(lease);
  EXPECT_EQ(lease->host, "db.example.com");
  const auto removed = co_await test.call({"DELETE /v1/memberships/" + membership->id}, test.admin);
  EXPECT_EQ(removed.status, 204);
  const auto revoke = co_await watch.sink.next_of<api::NodeEvent>("revoke");
  CO_ASSERT_OK(revoke);
  EXPECT_EQ(*revoke->leases, std::vector{lease->id});
  EXPECT_NE(revoke->reason->find("ann@example.com may not use \"billing\""), std::string::npos) << *revoke->reason;
  const auto view = co_await agent.sink.next_of<api::AgentEvent>("view");
  CO_ASSERT_OK(view);
  EXPECT_TRUE(view->view->resources.empty());
  const api::LeaseRequest another{assertion_of(*ann, *resource, relay->joined.node, test.clock.wall()), "q-2"};
  const auto refused = co_await test.post<api::Lease>("/v1/leases", another, relay->by_certificate);
  EXPECT_EQ(reason(refused), "no_grant");
  co_await watch.end();
  co_await agent.end();
}

CO_TEST(Nodes, SigningOutAndSuspensionEndTheAgentAndReachTheGateways) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto gateway = co_await test.join("gateway", "gateway-1");
  CO_ASSERT_OK(gateway);
  RunningWatch watch(test, "/v1/node", gateway->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  for (const char* way : {"sign out", "suspend", "delete"}) {
    CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
    const auto ann = co_await test.sign_in("ann@example.com");
    CO_ASSERT_OK(ann);
    RunningWatch agent(test, "/v1/agent", ann->by_certificate);
    CO_ASSERT_OK(co_await agent.sink.next_of<api::AgentEvent>("view"));
    const std::string what(way);
    if (what == "sign out") co_await test.call({"DELETE /v1/sign-ins/current"}, ann->by_certificate);
    if (what == "suspend")
      co_await test.call({"PATCH /v1/accounts/ann@example.com", {}, R"({"suspended":true})"}, test.admin);
    if (what == "delete") co_await test.call({"DELETE /v1/accounts/ann@example.com"}, test.admin);
    const auto end = co_await agent.sink.next_of<api::AgentEvent>("end");
    CO_ASSERT_OK(end);
    EXPECT_FALSE(end->reason->empty()) << what;
    co_await agent.ended();
    const auto serial = ann->by_certificate.certificate->serial();
    bool denied = false;
    for (int i = 0; i < 5 && !denied; ++i) {
      const auto view = co_await watch.sink.next_of<api::NodeEvent>("view");
      CO_ASSERT_OK(view);
      denied =
          std::ranges::find(view->view->denied_serials, serial) != view->view->denied_serials.end() ||
          std::ranges::find(view->view->denied_accounts, ann->signed_in.account) != view->view->denied_accounts.end();
    }
    EXPECT_TRUE(denied) << what;
    if (what != "delete") co_await test.call({"DELETE /v1/accounts/ann@example.com"}, test.admin);
  }
  co_await watch.end();
}

CO_TEST(Nodes, ARevokedNodeIsOutAndGivesItsNameBack) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  const auto gateway = co_await test.join("gateway", "gateway-1");
  CO_ASSERT_TRUE(relay && gateway);
  RunningWatch watch(test, "/v1/node", relay->by_certificate);
  CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
  const auto removed = co_await test.call({"DELETE /v1/nodes/relay-1"}, test.admin);
  EXPECT_EQ(removed.status, 204) << removed.body;
  co_await watch.ended();
  const auto refused = co_await test.get<api::NodeView>({"GET /v1/node"}, relay->by_certificate);
  EXPECT_EQ(reason(refused), "node_revoked");
  const auto view = co_await test.get<api::NodeView>({"GET /v1/node"}, gateway->by_certificate);
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->denied_serials, std::vector{relay->by_certificate.certificate->serial()});
  EXPECT_TRUE(view->nodes.empty());
  CO_ASSERT_OK(co_await test.join("relay", "relay-1"));
  const auto shown = co_await test.get<api::NodeStatusView>({"GET /v1/nodes/" + relay->joined.node}, test.admin);
  CO_ASSERT_OK(shown);
  EXPECT_EQ(shown->state, "revoked");
  const auto mine =
      co_await test.get<api::Page<api::NodeStatusView>>({"GET /v1/nodes", {{"name", "relay-1"}}}, test.admin);
  CO_ASSERT_OK(mine);
  EXPECT_EQ(mine->items.size(), 1U);
}

// What a restart forgets and a node's report brings back.
CO_TEST(Nodes, SessionsOutliveARestartOfTheControlPlane) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto relay = co_await test.join("relay", "relay-1");
  const auto membership = co_await test.give("admin@example.com", "billing");
  const auto resource = co_await test.resource_id("billing");
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_TRUE(relay && membership && resource && admin);
  const api::LeaseRequest request{assertion_of(*admin, *resource, relay->joined.node, test.clock.wall()), "q-1"};
  const auto lease = co_await test.post<api::Lease>("/v1/leases", request, relay->by_certificate);
  CO_ASSERT_OK(lease);
  test.open();
  const api::LiveSessions live{{{"s-1", lease->id, admin->signed_in.account, *resource}}};
  const auto kept = co_await test.post<api::LiveSessionsAnswer>("/v1/node/sessions", live, relay->by_certificate);
  CO_ASSERT_OK(kept);
  EXPECT_TRUE(kept->end.empty());
  const auto removed = co_await test.call({"DELETE /v1/memberships/" + membership->id}, test.admin);
  EXPECT_EQ(removed.status, 204);
  const auto ended = co_await test.post<api::LiveSessionsAnswer>("/v1/node/sessions", live, relay->by_certificate);
  CO_ASSERT_OK(ended);
  EXPECT_EQ(ended->end.size(), 1U);
}

}  // namespace
}  // namespace portolan::control
