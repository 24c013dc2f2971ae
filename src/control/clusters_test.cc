// Proxy clusters: which nodes their keys make, and what those are told and given.
#include "control/clusters.h"

#include <gtest/gtest.h>

#include "api/clusters.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::JoinedNode;
using testing::RunningWatch;
using testing::TestPlane;

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

net::Task<Result<api::ClusterView>> make_cluster(TestPlane& test, std::string name, bool bridged = false) {
  co_return co_await test.post<api::ClusterView>(
      "/v1/clusters", api::ClusterCreate{.name = name, .address = name + ".example:5000", .bridged = bridged},
      test.admin);
}

net::Task<Result<api::ClusterKeyMade>> make_key(TestPlane& test, api::ClusterKeyCreate wanted) {
  co_return co_await test.post<api::ClusterKeyMade>("/v1/cluster-keys", std::move(wanted), test.admin);
}

net::Task<Result<JoinedNode>> join(TestPlane& test, const Secret& key, std::string name, std::string address) {
  const auto private_key = crypto::PrivateKey::generate();
  api::JoinRequest request{.token = key,
                           .public_key = private_key.public_key().pem(),
                           .name = std::move(name),
                           .address = std::move(address),
                           .version = "1.0"};
  CO_TRY(auto joined, co_await test.post<api::Joined>("/v1/node/join", std::move(request), As{}));
  CO_TRY(auto certificate, crypto::Certificate::from_pem(joined.certificate));
  co_return JoinedNode{std::move(joined), As{.certificate = std::move(certificate)}, private_key};
}

net::Task<Result<api::ClusterKeyView>> show_key(TestPlane& test, const std::string& id) {
  co_return co_await test.get<api::ClusterKeyView>({"GET /v1/cluster-keys/" + id}, test.admin);
}

CO_TEST(Clusters, AKeyMakesWorkersOfItsCluster) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto cluster = co_await make_cluster(test, "eu");
  CO_ASSERT_OK(cluster);
  const auto key = co_await make_key(test, {.cluster = "eu", .name = "first"});
  CO_ASSERT_OK(key);
  EXPECT_TRUE(key->key.reveal().starts_with("pck1."));
  EXPECT_TRUE(key->key.reveal().ends_with("." + test.plane->core().authorities.server.certificate().fingerprint()));
  for (int i = 0; i < 3; ++i) {
    clock.advance(1s);
    const auto worker = co_await join(test, key->key, "same-image", "10.0.0.1:5000");
    CO_ASSERT_OK(worker);
    EXPECT_EQ(worker->joined.kind, "worker");
    EXPECT_EQ(worker->joined.cluster, cluster->id);
    const auto& organization = test.plane->core().authorities.organization;
    const std::vector<std::string> names = {"spiffe://" + organization + "/node/" + worker->joined.node,
                                            "spiffe://" + organization + "/cluster/" + cluster->id};
    EXPECT_EQ(worker->by_certificate.certificate->uris(), names);
    EXPECT_EQ(worker->joined.name == "same-image", i == 0) << "each has a name of its own: " << worker->joined.name;
    const auto own = co_await test.get<api::NodeView>({"GET /v1/node"}, worker->by_certificate);
    CO_ASSERT_OK(own);
    EXPECT_TRUE(own->nodes.empty() && own->accounts.empty());
    const auto renewed =
        co_await test.get<api::RenewedCertificate>({"POST /v1/node/certificate"}, worker->by_certificate);
    CO_ASSERT_OK(renewed);
    EXPECT_EQ(crypto::Certificate::from_pem(renewed->certificate)->uris(), names);
  }
  const auto shown = co_await show_key(test, key->id);
  CO_ASSERT_OK(shown);
  EXPECT_EQ(shown->state, "valid");
  EXPECT_EQ(shown->uses, 3U);
  EXPECT_EQ(shown->workers, 3U);
  EXPECT_EQ(shown->last_used, clock.wall());
  EXPECT_EQ(shown->uses_limit, std::nullopt);
  const auto listed = co_await test.get<api::ClusterView>({"GET /v1/clusters/eu"}, test.admin);
  CO_ASSERT_OK(listed);
  EXPECT_EQ(listed->workers, 3U);
  EXPECT_EQ(listed->keys, 1U);
  // Each joining is on record: the node, by itself, and what it came by.
  const auto activities = co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities"}, test.admin);
  CO_ASSERT_OK(activities);
  const auto count = [&](std::string_view verb) {
    return std::ranges::count(activities->items, verb, &api::ActivityView::verb);
  };
  EXPECT_EQ(count("node.created"), 3);
  EXPECT_EQ(count("join_token.updated"), 3);
  for (const auto& activity : activities->items)
    EXPECT_EQ(activity.after.find(key->key.reveal().substr(5, 20)), std::string::npos) << activity.after;
}

CO_TEST(Clusters, AKeyMakesNothingElse) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make_cluster(test, "eu"));
  CO_ASSERT_OK(co_await make_cluster(test, "far", true));
  const auto key = co_await make_key(test, {.cluster = "eu"});
  const auto far = co_await make_key(test, {.cluster = "far"});
  CO_ASSERT_TRUE(key && far);
  const auto silent = co_await join(test, key->key, "w1", "");
  EXPECT_EQ(reason(silent), "invalid") << "a worker that listens on nothing, where nothing is bridged";
  const auto bridge = co_await join(test, far->key, "b1", "10.0.0.1:5000");
  const auto inner = co_await join(test, far->key, "i1", "");
  CO_ASSERT_TRUE(bridge && inner);
  EXPECT_EQ(bridge->joined.kind, "bridge-worker");
  EXPECT_EQ(inner->joined.kind, "bridged-worker");
  const auto tokens = co_await test.get<api::Page<api::JoinTokenView>>({"GET /v1/join-tokens"}, test.admin);
  CO_ASSERT_OK(tokens);
  EXPECT_TRUE(tokens->items.empty()) << "keys are no join tokens";
  for (const auto* route : {"GET /v1/join-tokens/", "DELETE /v1/join-tokens/"}) {
    const auto response = co_await test.call({route + key->id}, test.admin);
    EXPECT_EQ(response.status, 404) << route;
  }
  const auto as_token = co_await test.call({"POST /v1/join-tokens/" + key->id + "/revoke", {}, "{}"}, test.admin);
  EXPECT_EQ(as_token.status, 404);
  // A worker cannot be moved out of its cluster's way by naming it where a node is named.
  const auto bound = co_await test.call(
      {"POST /v1/resources", {}, R"({"name":"db","type":"tcp","host":"h","port":1,"egress_nodes":["i1"]})"},
      test.admin);
  EXPECT_EQ(bound.status, 400) << bound.body;
}

CO_TEST(Clusters, KeysHaveLimits) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make_cluster(test, "eu"));
  const auto twice = co_await make_key(test, {.cluster = "eu", .uses = 2});
  const auto day = co_await make_key(test, {.cluster = "eu", .life = "1d"});
  const auto elsewhere = co_await make_key(test, {.cluster = "eu", .networks = std::vector<std::string>{"10.0.0.0/8"}});
  const auto here = co_await make_key(test, {.cluster = "eu", .networks = std::vector<std::string>{"127.0.0.0/8"}});
  CO_ASSERT_TRUE(twice && day && elsewhere && here);
  const auto attempt = [&](const Secret& key) { return join(test, key, "w", "10.0.0.1:5000"); };
  for (int i = 0; i < 2; ++i) CO_ASSERT_OK(co_await attempt(twice->key));
  const auto third = co_await attempt(twice->key);
  EXPECT_EQ(reason(third), "join_token");
  CO_ASSERT_OK(co_await attempt(here->key));
  const auto from_here = co_await attempt(elsewhere->key);
  EXPECT_EQ(reason(from_here), "join_token");
  EXPECT_NE(from_here.error().message.find("not taken from 127.0.0.1"), std::string::npos) << from_here.error().message;
  CO_ASSERT_OK(co_await attempt(day->key));
  clock.advance(24h);
  const auto late = co_await attempt(day->key);
  EXPECT_EQ(reason(late), "join_token");
  const auto used = co_await show_key(test, twice->id);
  const auto ended = co_await show_key(test, day->id);
  CO_ASSERT_TRUE(used && ended);
  EXPECT_EQ(used->state, "used_up");
  EXPECT_EQ(ended->state, "ended");
  for (const auto* body : {R"({"cluster":"eu","uses":0})", R"({"cluster":"eu","life":"0s"})",
                           R"({"cluster":"eu","networks":["10.0.0.1/8"]})", R"({"cluster":"us"})"}) {
    const auto response = co_await test.call({"POST /v1/cluster-keys", {}, body}, test.admin);
    EXPECT_TRUE(response.status == 400 || response.status == 404) << body << response.body;
  }
}

CO_TEST(Clusters, ARevokedKeyTakesItsWorkersWithItIfAsked) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await make_cluster(test, "eu"));
  const auto old = co_await make_key(test, {.cluster = "eu"});
  const auto fresh = co_await make_key(test, {.cluster = "eu"});
  CO_ASSERT_TRUE(old && fresh);
  const auto first = co_await join(test, old->key, "w1", "10.0.0.1:5000");
  const auto second = co_await join(test, fresh->key, "w2", "10.0.0.2:5000");
  CO_ASSERT_TRUE(first && second);
  const auto gone = co_await test.post<api::JoiningRevoked>("/v1/cluster-keys/" + old->id + "/revoke",
                                                            api::RevokeJoining{}, test.admin);
  CO_ASSERT_OK(gone);
  EXPECT_TRUE(gone->nodes.empty());
  const auto late = co_await join(test, old->key, "w3", "10.0.0.3:5000");
  EXPECT_EQ(reason(late), "join_token");
  CO_ASSERT_OK(co_await test.get<api::NodeView>({"GET /v1/node"}, first->by_certificate));
  const auto all = co_await test.post<api::JoiningRevoked>("/v1/cluster-keys/" + old->id + "/revoke",
                                                           api::RevokeJoining{.nodes = true}, test.admin);
  CO_ASSERT_OK(all);
  EXPECT_EQ(all->nodes, std::vector{first->joined.node});
  const auto refused = co_await test.get<api::NodeView>({"GET /v1/node"}, first->by_certificate);
  EXPECT_EQ(reason(refused), "node_revoked");
  CO_ASSERT_OK(co_await test.get<api::NodeView>({"GET /v1/node"}, second->by_certificate));
  const auto busy = co_await test.call({"DELETE /v1/clusters/eu"}, test.admin);
  EXPECT_EQ(busy.status, 409) << busy.body;
  CO_ASSERT_EQ((co_await test.call({"DELETE /v1/nodes/w2"}, test.admin)).status, 204);
  CO_ASSERT_EQ((co_await test.call({"DELETE /v1/clusters/eu"}, test.admin)).status, 204);
  const auto keys = co_await test.get<api::Page<api::ClusterKeyView>>({"GET /v1/cluster-keys"}, test.admin);
  CO_ASSERT_OK(keys);
  EXPECT_TRUE(keys->items.empty());
  const auto after = co_await join(test, fresh->key, "w4", "10.0.0.4:5000");
  EXPECT_EQ(reason(after), "join_token");
}

// Tokens of gateways and relays have the same limits.
CO_TEST(Clusters, ATokenMayMakeSeveralRelays) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto token = co_await test.post<api::JoinTokenMade>(
      "/v1/join-tokens", api::JoinTokenCreate{.kind = "relay", .uses = 2}, test.admin);
  CO_ASSERT_OK(token);
  std::vector<std::string> made;
  for (int i = 0; i < 2; ++i) {
    const auto relay = co_await join(test, token->token, "relay", "");
    CO_ASSERT_OK(relay);
    made.push_back(relay->joined.node);
  }
  const auto third = co_await join(test, token->token, "relay-3", "");
  EXPECT_EQ(reason(third), "join_token");
  const auto view = co_await test.get<api::JoinTokenView>({"GET /v1/join-tokens/" + token->id}, test.admin);
  CO_ASSERT_OK(view);
  EXPECT_EQ(view->state, "used_up");
  EXPECT_EQ(view->uses, 2U);
  const auto gone = co_await test.post<api::JoiningRevoked>("/v1/join-tokens/" + token->id + "/revoke",
                                                            api::RevokeJoining{.nodes = true}, test.admin);
  CO_ASSERT_OK(gone);
  std::ranges::sort(made);
  EXPECT_EQ(gone->nodes, made);
  for (const auto* body :
       {R"({"kind":"relay","uses":2,"name":"r"})", R"({"kind":"relay","uses":0})", R"({"kind":"worker"})"}) {
    const auto response = co_await test.call({"POST /v1/join-tokens", {}, body}, test.admin);
    EXPECT_EQ(response.status, 400) << body << response.body;
  }
}

CO_TEST(Clusters, EachIsToldWhatConcernsIt) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto near = co_await make_cluster(test, "near");
  const auto far = co_await make_cluster(test, "far", true);
  const auto other = co_await make_cluster(test, "other", true);
  CO_ASSERT_TRUE(near && far && other);
  const auto near_key = co_await make_key(test, {.cluster = "near"});
  const auto far_key = co_await make_key(test, {.cluster = "far"});
  const auto other_key = co_await make_key(test, {.cluster = "other"});
  CO_ASSERT_TRUE(near_key && far_key && other_key);
  const auto gateway = co_await test.join("gateway", "g1");
  const auto worker = co_await join(test, near_key->key, "w1", "10.0.0.1:5000");
  const auto twin = co_await join(test, near_key->key, "w2", "10.0.0.2:5000");
  const auto bridge = co_await join(test, far_key->key, "b1", "10.0.0.3:5000");
  const auto inner = co_await join(test, far_key->key, "i1", "");
  const auto foreign = co_await join(test, other_key->key, "i2", "");
  CO_ASSERT_TRUE(gateway && worker && twin && bridge && inner && foreign);
  CO_ASSERT_OK(co_await test.give("admin@example.com", "billing"));
  CO_ASSERT_OK(co_await test.give("admin@example.com", "ledger"));
  for (const auto& [resource, cluster] : {std::pair("billing", "near"), std::pair("ledger", "far")}) {
    const auto changed = co_await test.call(
        {std::string("PATCH /v1/resources/") + resource, {}, std::string(R"({"egress_nodes":[")") + cluster + "\"]}"},
        test.admin);
    EXPECT_EQ(changed.status, 200) << changed.body;
  }
  const auto of_bridge = co_await test.get<api::NodeView>({"GET /v1/node"}, bridge->by_certificate);
  const auto of_inner = co_await test.get<api::NodeView>({"GET /v1/node"}, inner->by_certificate);
  const auto of_gateway = co_await test.get<api::NodeView>({"GET /v1/node"}, gateway->by_certificate);
  CO_ASSERT_TRUE(of_bridge && of_inner && of_gateway);
  CO_ASSERT_EQ(of_bridge->nodes.size(), 1U);
  EXPECT_EQ(of_bridge->nodes[0].id, inner->joined.node);
  CO_ASSERT_EQ(of_bridge->accounts.size(), 1U);
  EXPECT_EQ(of_bridge->accounts[0].nodes, std::vector{inner->joined.node}) << "of its own cluster, nothing else";
  CO_ASSERT_EQ(of_inner->nodes.size(), 1U);
  EXPECT_EQ(of_inner->nodes[0].address, "10.0.0.3:5000");
  EXPECT_TRUE(of_inner->accounts.empty());
  EXPECT_TRUE(of_gateway->nodes.empty()) << "gateways have nothing to do with workers";

  const auto person = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(person);
  const auto view = co_await test.get<api::AgentView>({"GET /v1/agent"}, person->by_certificate);
  CO_ASSERT_OK(view);
  CO_ASSERT_EQ(view->resources.size(), 2U);
  EXPECT_EQ(view->resources[0].egress, std::vector{near->id}) << "whichever worker answers";
  EXPECT_EQ(view->resources[1].egress, std::vector{inner->joined.node});
  CO_ASSERT_EQ(view->clusters->size(), 2U);
  for (const auto& cluster : *view->clusters) EXPECT_EQ(cluster.bridged, cluster.id == far->id);
  const auto way = std::ranges::find(*view->egresses, inner->joined.node, &api::AgentEgress::id);
  CO_ASSERT_TRUE(way != view->egresses->end() && way->ways);
  EXPECT_EQ(way->ways->at(0).gateway, far->id);

  // Any worker of the cluster is given the lease, and no other node.
  const auto resource = co_await test.resource_id("billing");
  CO_ASSERT_OK(resource);
  int request = 0;
  for (const auto& [node, allowed] : {std::pair(&*worker, true), std::pair(&*twin, true), std::pair(&*inner, false),
                                      std::pair(&*bridge, false), std::pair(&*gateway, false)}) {
    const api::LeaseRequest asked{testing::assertion_of(*person, *resource, node->joined.node, test.clock.wall()),
                                  "request-" + std::to_string(++request)};
    const auto lease = co_await test.post<api::Lease>("/v1/leases", asked, node->by_certificate);
    EXPECT_EQ(reason(lease), allowed ? "none" : "not_egress") << node->joined.name;
  }
  const auto held = co_await test.call({"DELETE /v1/clusters/near"}, test.admin);
  EXPECT_EQ(held.status, 409) << held.body;
}

}  // namespace
}  // namespace portolan::control
