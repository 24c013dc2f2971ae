// The document and the server say the same: every route is in it, every list takes the parameters it names, and (in
// TestPlane, for every answer of every test of this folder) every answer is as it says.
#include "control/openapi.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "api/health.h"
#include "audit/spool_line.h"
#include "control/operations.h"
#include "control/permissions.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::TestPlane;

TEST(OpenApi, EveryRouteIsDescribedOnce) {
  std::vector<std::string> described;
  for (const auto& operation : operations()) described.emplace_back(operation.route);
  std::vector<std::string> permitted;
  for (const auto& permission : permissions()) permitted.emplace_back(permission.route);
  std::ranges::sort(described);
  std::ranges::sort(permitted);
  EXPECT_EQ(described, permitted);
}

// Nothing in the document points to nowhere, and no two operations share their name.
void check_references(const json::Value& value, const boost::json::object& components) {
  if (value.is_array())
    for (const auto& element : value.get_array()) check_references(element, components);
  if (!value.is_object()) return;
  for (const auto& member : value.get_object()) {
    if (member.key() == "$ref") {
      const std::string_view ref = member.value().get_string();
      const auto name = ref.rfind('/');
      const auto section = ref.rfind('/', name - 1);
      const auto* of_kind = components.if_contains(ref.substr(section + 1, name - section - 1));
      EXPECT_TRUE(of_kind && of_kind->get_object().contains(ref.substr(name + 1))) << ref;
    } else {
      check_references(member.value(), components);
    }
  }
}

TEST(OpenApi, IsWhole) {
  const auto document = openapi_document();
  const auto& components = document.at("components").get_object();
  check_references(document, components);
  std::set<std::string> ids;
  for (const auto& path : document.at("paths").get_object())
    for (const auto& operation : path.value().get_object()) {
      const std::string id(operation.value().at("operationId").get_string());
      EXPECT_TRUE(ids.insert(id).second) << id;
      EXPECT_FALSE(operation.value().at("summary").get_string().empty()) << id;
    }
  EXPECT_EQ(ids.size(), permissions().size());
}

// A list names the parameters that it knows when it refuses one.
CO_TEST(OpenApi, ListsTakeWhatItSays) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  std::size_t lists = 0;
  for (const auto& operation : operations()) {
    const auto permission = find_permission(operation.route);
    if (operation.parameters.empty() || operation.html || permission->who == Who::kNode) continue;
    const auto response = co_await test.call({std::string(operation.route), {{"nonsense", "1"}}}, test.admin);
    EXPECT_EQ(response.status, 400) << operation.route << response.body;
    const auto known = response.body.find("known are: ");
    CO_ASSERT_TRUE(known != std::string::npos);
    std::set<std::string> said;
    std::string list = response.body.substr(known + 11, response.body.find('"', known) - known - 11);
    for (std::size_t at = 0; at < list.size();) {
      const auto end = std::min(list.find(", ", at), list.size());
      said.insert(list.substr(at, end - at));
      at = end + 2;
    }
    std::set<std::string> documented;
    for (const auto& parameter : operation.parameters) documented.emplace(parameter.name);
    if (operation.line) documented.insert("watch");
    EXPECT_EQ(said, documented) << operation.route;
    ++lists;
  }
  EXPECT_GT(lists, 10U);
}

// Every operation, called so that it succeeds. What is new has to be called here too.
class Tour {
 public:
  explicit Tour(TestPlane& test) : test_(test) {}

  // Calls it and gives the answer's member `member`, usually the id of what was made.
  net::Task<std::string> call(testing::Ask ask, testing::As as, std::string member = {}) {
    const auto response = co_await test_.call(ask, std::move(as));
    EXPECT_LT(response.status, 300) << ask.route << ": " << response.body;
    if (member.empty() || response.status >= 300) co_return "";
    const auto value = json::parse(response.body);
    EXPECT_TRUE(value) << response.body;
    co_return value ? std::string(value->at(member).as_string()) : "";
  }
  net::Task<std::string> admin(std::string route, std::string body = {}, std::string member = {}) {
    co_return co_await call({std::move(route), {}, std::move(body)}, test_.admin, std::move(member));
  }

 private:
  TestPlane& test_;
};

net::Task<> tour_of_objects(Tour& tour) {
  const auto account = co_await tour.admin("POST /v1/accounts", R"({"email":"ci@example.com","kind":"service"})", "id");
  co_await tour.admin("PATCH /v1/accounts/" + account, R"({"name":"CI"})");
  co_await tour.admin("GET /v1/accounts/ci@example.com");
  co_await tour.admin("DELETE /v1/accounts/ci@example.com/lock");
  co_await tour.admin("POST /v1/roles", R"({"name":"dba"})");
  co_await tour.admin("PATCH /v1/roles/dba", R"({"name":"dbas"})");
  co_await tour.admin("GET /v1/roles/dbas");
  const auto membership =
      co_await tour.admin("POST /v1/memberships", R"({"account":"ci@example.com","role":"dbas"})", "id");
  co_await tour.admin("GET /v1/memberships/" + membership);
  co_await tour.admin("POST /v1/resources", R"({"name":"db","type":"tcp","host":"h","port":1,"tags":{"env":"prod"}})");
  co_await tour.admin("PATCH /v1/resources/db", R"({"port":2})");
  co_await tour.admin("GET /v1/resources/db");
  const auto grant = co_await tour.admin("POST /v1/grants", R"({"role":"dbas","resource":"db"})", "id");
  co_await tour.admin("PATCH /v1/grants/" + grant, R"({"ends":"2100-01-01T00:00:00Z"})");
  co_await tour.admin("GET /v1/grants/" + grant);
  co_await tour.admin("POST /v1/apply", R"({"roles":[{"name":"dbas","grants":[{"resource":"db","until":"none"}]}]})");
  for (const char* list : {"accounts", "roles", "memberships", "resources", "grants", "nodes", "join-tokens", "tokens",
                           "devices", "audit/sessions", "audit/queries", "audit/activities", "health/resources",
                           "health/nodes", "openapi.json", "whoami", "keys"})
    co_await tour.admin(std::string("GET /v1/") + list);
  for (const std::string& gone : {"grants/" + grant, "memberships/" + membership, std::string("roles/dbas"),
                                  std::string("accounts/ci@example.com")})
    co_await tour.admin("DELETE /v1/" + gone);
}

// One page, by a browser that keeps its cookie and sends its form.
net::Task<> tour_of_a_browser(Tour& tour, TestPlane& test) {
  const api::DeviceCodeRequest request{crypto::PrivateKey::generate().public_key().pem(), "laptop", {}};
  const auto code = co_await test.post<api::DeviceCode>("/v1/device-codes", request, {});
  CO_ASSERT_OK(code);
  const auto page = co_await test.call({"GET /activate", {{"code", code->user_code}}});
  const std::string cookie(page.header("set-cookie").substr(0, page.header("set-cookie").find(';')));
  const std::string mark = "name=\"csrf\" value=\"";
  const auto begin = page.body.find(mark) + mark.size();
  const std::string csrf = page.body.substr(begin, page.body.find('"', begin) - begin);
  co_await tour.call({"POST /activate",
                      {},
                      "action=approve&csrf=" + csrf + "&code=" + code->user_code +
                          "&email=ann%40example.com&password=correct+horse+battery",
                      {{"content-type", "application/x-www-form-urlencoded"}, {"cookie", cookie}}},
                     {});
  co_await tour.call({"POST /v1/device-codes/token", {}, json::encode(api::DeviceCodeQuestion{code->device_code})}, {});
}

net::Task<> tour_of_people(Tour& tour, TestPlane& test) {
  for (const char* path : {"GET /", "GET /v1/health", "GET /v1/trust", "GET /.well-known/jwks.json"})
    co_await tour.call({path}, {});
  const auto ann = co_await test.sign_in("ann@example.com");
  const auto again = co_await test.sign_in("ann@example.com");
  CO_ASSERT_TRUE(ann && again);
  co_await tour.call({"GET /v1/agent"}, ann->by_certificate);
  const auto token = co_await tour.call({"POST /v1/tokens", {}, R"({"name":"script"})"}, ann->by_token, "id");
  co_await tour.call({"GET /v1/tokens/" + token}, ann->by_token);
  co_await tour.call({"DELETE /v1/tokens/" + token}, ann->by_token);
  co_await tour.call({"POST /v1/sign-ins/current/certificate"}, ann->by_certificate);
  const api::PasswordChange same{Secret(TestPlane::kPassword), Secret(TestPlane::kPassword), false};
  co_await tour.call({"POST /v1/whoami/password", {}, json::encode(same)}, ann->by_token);
  co_await tour.call({"DELETE /v1/sign-ins/current"}, ann->by_token);
  co_await tour.admin("GET /v1/devices/" + again->signed_in.device);
  co_await tour.admin("DELETE /v1/devices/" + again->signed_in.device);
}

net::Task<> tour_of_routing(Tour& tour) {
  co_await tour.admin("POST /v1/resources", R"({"name":"routed","type":"tcp","host":"db.internal","port":9000})");
  co_await tour.admin("POST /v1/peering-groups", R"({"name":"edge"})");
  co_await tour.admin("POST /v1/peering-groups", R"({"name":"core","resources":["routed"],"peers":["edge"]})");
  co_await tour.admin("GET /v1/peering-groups");
  co_await tour.admin("GET /v1/peering-groups/core");
  co_await tour.admin("PATCH /v1/peering-groups/core", R"({"resources":[]})");
  co_await tour.admin("GET /v1/resources/routed/route");
  co_await tour.admin("DELETE /v1/peering-groups/core");
  co_await tour.admin("DELETE /v1/peering-groups/edge");
  co_await tour.admin("DELETE /v1/resources/routed");
}

net::Task<> tour_of_clusters(Tour& tour) {
  co_await tour.admin("POST /v1/clusters", R"({"name":"eu","address":"proxy.example:5000","tags":{"env":"prod"}})");
  co_await tour.admin("PATCH /v1/clusters/eu", R"({"address":"proxy-2.example:5000"})");
  co_await tour.admin("GET /v1/clusters/eu");
  co_await tour.admin("GET /v1/clusters");
  const auto key = co_await tour.admin("POST /v1/cluster-keys", R"({"cluster":"eu","life":"30d","uses":3})", "id");
  co_await tour.admin("GET /v1/cluster-keys");
  co_await tour.admin("GET /v1/cluster-keys/" + key);
  co_await tour.admin("POST /v1/cluster-keys/" + key + "/revoke", R"({"nodes":true})");
  co_await tour.admin("DELETE /v1/clusters/eu");
  const auto token = co_await tour.admin("POST /v1/join-tokens", R"({"kind":"relay","uses":3})", "id");
  co_await tour.admin("POST /v1/join-tokens/" + token + "/revoke", "{}");
}

net::Task<> tour_of_nodes(Tour& tour, TestPlane& test) {
  const auto token = co_await tour.admin("POST /v1/join-tokens", R"({"kind":"relay"})", "id");
  co_await tour.admin("GET /v1/join-tokens/" + token);
  co_await tour.admin("DELETE /v1/join-tokens/" + token);
  const auto relay = co_await test.join("relay", "relay-1");
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_TRUE(relay && ann);
  const auto by = relay->by_certificate;
  co_await tour.call({"GET /v1/node"}, by);
  co_await tour.call({"POST /v1/node/certificate"}, by);
  co_await tour.call({"POST /v1/node/sessions",
                      {},
                      R"({"sessions":[{"session":"s-1","lease":"l-1","account":"a-1","resource":"rs-1"}]})"},
                     by);
  api::AuditRecord started;
  started.kind = "session.started";
  started.session = "s-1";
  started.sequence = 1;
  co_await tour.call({"POST /v1/node/audit", {}, json::encode(api::AuditBatch{{started}})}, by);
  const std::string line = audit::handed_line({"c-1", 1, {}}, json::encode(started)) + "\n";
  co_await tour.call({"POST /v1/node/audit/chain", {}, line}, by);
  co_await tour.call({"POST /v1/node/audit/heads", {}, json::encode(api::ChainHeads{})}, by);
  co_await tour.admin("GET /v1/audit/chains");
  for (const char* list : {"GET /v1/audit/chain", "GET /v1/audit/heads"})
    co_await tour.call({list, {{"node", relay->joined.node}, {"chain", "c-1"}}}, test.admin);
  {
    testing::RunningWatch watch(test, "/v1/node", by);
    CO_ASSERT_OK(co_await watch.sink.next_of<api::NodeEvent>("view"));
    co_await tour.admin("GET /v1/sessions");
    co_await tour.admin("GET /v1/sessions/s-1");
    co_await tour.admin("DELETE /v1/sessions/s-1");
    co_await watch.end();
  }
  co_await tour.call({"POST /v1/node/health", {}, json::encode(api::NodeHealth{})}, by);
  const auto resource = co_await test.resource_id("shop");
  CO_ASSERT_OK(resource);
  const api::LeaseRequest lease{assertion_of(*ann, *resource, relay->joined.node, test.clock.wall()), "request-1"};
  co_await tour.call({"POST /v1/leases", {}, json::encode(lease)}, by);
  co_await tour.call({"GET /v1/access/explain", {{"account", "ann@example.com"}, {"resource", "shop"}}}, test.admin);
  co_await tour.admin("POST /v1/resources/shop/checks");
  co_await tour.admin("PATCH /v1/nodes/relay-1", R"({"name":"relay-2"})");
  co_await tour.admin("GET /v1/nodes/relay-2");
  co_await tour.admin("DELETE /v1/nodes/relay-2");
  co_await tour.admin("DELETE /v1/resources/shop");
}

net::Task<> tour_of_keys(Tour& tour) {
  co_await tour.admin("POST /v1/keys/server/rotate", R"({"overlap":"1d"})");
  co_await tour.admin("POST /v1/keys/server/activate");
  co_await tour.admin("POST /v1/keys/server/finish", "{}");
}

CO_TEST(OpenApi, EveryOperationSucceedsAsDocumented) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  CO_ASSERT_OK(co_await test.give("ann@example.com", "shop"));
  Tour tour(test);
  co_await tour_of_objects(tour);
  co_await tour_of_a_browser(tour, test);
  co_await tour_of_people(tour, test);
  co_await tour_of_clusters(tour);
  co_await tour_of_routing(tour);
  co_await tour_of_nodes(tour, test);
  co_await tour_of_keys(tour);
  for (const auto& operation : operations())
    EXPECT_TRUE(test.documented().succeeded().contains(std::string(operation.route))) << operation.route;
}

CO_TEST(OpenApi, IsServed) {
  TestPlane test(co_await net::this_executor());
  const auto response = co_await test.call({"GET /v1/openapi.json"});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("content-type"), "application/json");
  EXPECT_EQ(response.body, json::print(openapi_document()));
}

}  // namespace
}  // namespace portolan::control
