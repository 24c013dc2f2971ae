// Many objects at once: all or none, the same again changes nothing, and what is refused.
#include "control/apply.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "api/apply.h"
#include "api/token.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::As;
using testing::TestPlane;

constexpr const char* kFile = R"({
  "accounts": [{"email": "Ann@example.com", "name": "Ann", "roles": ["engineers"]},
               {"email": "ci@example.com", "kind": "service"}],
  "roles": [{"name": "engineers", "grants": [{"resource": "billing", "until": "2100-01-01T00:00:00Z"}]}],
  "resources": [{"name": "billing", "type": "tcp", "host": "db.internal", "port": 5432, "password": "secret",
                 "tags": {"env": "prod"}}]})";

// All of the directory that an apply may change, as the lists show it.
net::Task<std::string> directory_of(TestPlane& test) {
  std::string all;
  for (const char* list : {"accounts", "roles", "memberships", "grants", "resources"}) {
    const auto response = co_await test.call({std::string("GET /v1/") + list, {{"limit", "1000"}}}, test.admin);
    all += response.body + "\n";
  }
  co_return all;
}

net::Task<Result<api::ApplyAnswer>> apply(TestPlane& test, std::string body) {
  co_return co_await test.get<api::ApplyAnswer>({"POST /v1/apply", {}, std::move(body)}, test.admin);
}

std::string with(std::string body, std::string_view member) { return "{" + std::string(member) + "," + body.substr(1); }

std::string words(const api::ApplyAnswer& answer) {
  std::string out;
  for (const auto& change : answer.changes) {
    out += change.action + " " + change.kind + " " + change.name + (change.target ? " " + *change.target : "");
    for (const auto& member : change.members)
      out += " " + member.member + ":" + member.before.value_or("none") + ">" + member.after.value_or("none");
    out += "\n";
  }
  return out;
}

CO_TEST(Apply, MakesWhatIsDescribedAndTheSameAgainChangesNothing) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto first = co_await apply(test, kFile);
  CO_ASSERT_OK(first);
  EXPECT_EQ(words(*first),
            "create role engineers\n"
            "create account ann@example.com name:none>Ann\n"
            "create membership ann@example.com engineers\n"
            "create account ci@example.com kind:person>service\n"
            "create resource billing type:none>tcp host:none>db.internal port:none>5432 "
            "local_port:none>15432 "
            "password:none>(set) tags.env:none>prod\n"
            "create grant engineers billing ends:none>2100-01-01T00:00:00.000Z\n");
  EXPECT_EQ(first->totals.created, 6U);
  const auto revision = test.plane->core().lookup()->snapshot().revision;
  const auto again = co_await apply(test, kFile);
  CO_ASSERT_OK(again);
  EXPECT_EQ(words(*again), "");
  EXPECT_EQ(again->totals.unchanged, 6U);
  EXPECT_EQ(test.plane->core().lookup()->snapshot().revision, revision);
  const auto activities =
      co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities", {{"limit", "1000"}}}, test.admin);
  CO_ASSERT_OK(activities);
  std::size_t of_apply = 0;
  for (const auto& activity : activities->items) of_apply += activity.revision == revision ? 1 : 0;
  EXPECT_EQ(of_apply, 6U);
}

CO_TEST(Apply, LeavesWhatIsNotSaid) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await apply(test, kFile));
  const auto changed = co_await apply(test, R"({
    "accounts": [{"email": "ann@example.com", "suspended": true}],
    "resources": [{"name": "billing", "password": "other", "tags": {"team": "a"}}],
    "roles": [{"name": "engineers", "grants": [{"resource": "billing", "until": "none"}]}]})");
  CO_ASSERT_OK(changed);
  EXPECT_EQ(words(*changed),
            "update account ann@example.com suspended:false>true\n"
            "update resource billing password:(set)>(changed) tags.env:prod>none tags.team:none>a\n"
            "update grant engineers billing ends:2100-01-01T00:00:00.000Z>none\n");
  const auto resource = co_await test.get<api::ResourceView>({"GET /v1/resources/billing"}, test.admin);
  CO_ASSERT_OK(resource);
  EXPECT_EQ(resource->host, "db.internal");
  EXPECT_EQ(resource->local_port, 15432);
  const auto answer = co_await test.call({"POST /v1/apply", {}, kFile}, test.admin);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

CO_TEST(Apply, AKeptPasswordGoesToNoOtherHost) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await apply(test, kFile));
  const auto refused = co_await apply(test, R"({"resources": [{"name": "billing", "host": "other.internal"}]})");
  CO_ASSERT_ERROR(refused, Code::kInvalid);
  EXPECT_NE(refused.error().message.find("resources[0] \"billing\": password: the one that is kept"), std::string::npos)
      << refused.error().message;
  const char* const said = R"({"resources": [{"name": "billing", "host": "other.internal", "keep_password": true}]})";
  const auto moved = co_await apply(test, said);
  CO_ASSERT_OK(moved);
  EXPECT_EQ(words(*moved), "update resource billing host:db.internal>other.internal\n");
  const auto again = co_await apply(test, said);
  CO_ASSERT_OK(again);
  EXPECT_EQ(words(*again), "");
  CO_ASSERT_OK(
      co_await apply(test, R"({"resources": [{"name": "billing", "host": "third.internal", "password": "secret"}]})"));
}

CO_TEST(Apply, DryRunsSayTheSameAndDoNothing) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto before = co_await directory_of(test);
  const auto dry = co_await apply(test, with(kFile, R"("dry_run":true)"));
  CO_ASSERT_OK(dry);
  EXPECT_TRUE(dry->dry_run);
  const auto after = co_await directory_of(test);
  EXPECT_EQ(before, after);
  const auto done = co_await apply(test, with(kFile, R"("plan":")" + dry->plan + "\""));
  CO_ASSERT_OK(done);
  EXPECT_EQ(words(*done), words(*dry));
}

CO_TEST(Apply, APlanThatNoLongerHoldsIsStale) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto dry = co_await apply(test, with(kFile, R"("dry_run":true)"));
  CO_ASSERT_OK(dry);
  CO_ASSERT_OK(co_await test.post<api::RoleView>("/v1/roles", api::RoleCreate{"engineers"}, test.admin));
  const auto before = co_await directory_of(test);
  const auto response =
      co_await test.call({"POST /v1/apply", {}, with(kFile, R"("plan":")" + dry->plan + "\"")}, test.admin);
  EXPECT_EQ(response.status, 412) << response.body;
  const auto after = co_await directory_of(test);
  EXPECT_EQ(before, after);
}

// What is shown of a value is cut, and of a password nothing: the plan's name covers them whole.
CO_TEST(Apply, APlanIsOfTheWholeRequest) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await apply(test, kFile));
  const auto file = [](std::string tag, std::string password) {
    return R"({"resources":[{"name":"billing","password":")" + password + R"(","tags":{"note":")" +
           std::string(200, 'x') + tag + R"("}}]})";
  };
  const auto dry = co_await apply(test, with(file("1", "first"), R"("dry_run":true)"));
  CO_ASSERT_OK(dry);
  const std::string plan = R"("plan":")" + dry->plan + "\"";
  for (const auto& other : {file("2", "first"), file("1", "second")}) {
    const auto refused = co_await test.call({"POST /v1/apply", {}, with(other, plan)}, test.admin);
    EXPECT_EQ(refused.status, 412) << refused.body;
  }
  CO_ASSERT_OK(co_await apply(test, with(file("1", "first"), plan)));
}

net::Task<> note_status(TestPlane& test, std::vector<int>& statuses) {
  const auto response = co_await test.call({"POST /v1/apply", {}, kFile}, test.admin);
  statuses.push_back(response.status);
}

CO_TEST(Apply, OneRunsAndOneWaits) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  std::vector<int> statuses;
  net::TaskGroup tasks(test.executor);
  for (int i = 0; i < 5; ++i) tasks.spawn("apply", note_status(test, statuses));
  co_await tasks.join();
  std::ranges::sort(statuses);
  EXPECT_EQ(statuses, (std::vector{200, 200, 429, 429, 429}));
  CO_ASSERT_OK(co_await apply(test, kFile));
}

CO_TEST(Apply, OneWrongEntryChangesNothing) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await apply(test, kFile));
  const auto before = co_await directory_of(test);
  struct Case {
    const char* body;
    const char* says;
  };
  const Case cases[] = {
      {R"({"roles":[{"name":"new"},{"name":"a b"}]})", "roles[1] \"a b\": role name"},
      {R"({"roles":[{"name":"new"},{"name":"new"}]})", "roles[1] \"new\": name: is there twice"},
      {R"({"accounts":[{"email":"bob@example.com","roles":["nobodies"]}]})",
       "accounts[0].roles[0] \"nobodies\": there is"},
      {R"({"accounts":[{"email":"bob@example.com"},{"email":"BOB@example.com"}]})", "accounts[1]"},
      {R"({"accounts":[{"email":"ci@example.com","kind":"person"}]})", "cannot be changed"},
      {R"({"accounts":[{"email":"admin@example.com","admin":false}]})", "last admin"},
      {R"({"resources":[{"name":"x","type":"tcp","host":"a b","port":1}]})", "resources[0] \"x\": host \"a b\""},
      {R"({"resources":[{"name":"x","host":"a"}]})", "type and host"},
      {R"({"resources":[{"name":"billing","type":"postgres"}]})", "resources[0] \"billing\": type"},
      {R"({"resources":[{"name":"x","type":"tcp","host":"a","port":1},
                        {"name":"y","type":"tcp","host":"a","port":1,"local_port":15432}]})",
       "resources[1] \"y\": resource \"billing\""},
      {R"({"resources":[{"name":"x","type":"tcp","host":"a","port":1,"egress_nodes":["none"]}]})", "no node"},
      {R"({"roles":[{"name":"engineers","grants":[{"resource":"billing","until":"tomorrow"}]}]})",
       "until \"tomorrow\""},
      {R"({"roles":[{"name":"engineers","grants":[{"resource":"billing","until":"2000-01-01T00:00:00Z"}]}]})", "past"},
      {R"({"roles":[{"name":"new"}],"colour":"red"})", "colour"},
      {R"({"roles":[{"name":"new","grants":[{"resource":"billing","ends":"x"}]}]})", "roles[0].grants[0]"},
  };
  for (const auto& wrong : cases) {
    const auto response = co_await test.call({"POST /v1/apply", {}, wrong.body}, test.admin);
    EXPECT_GE(response.status, 400) << wrong.body;
    const auto problem = json::parse(response.body);
    CO_ASSERT_OK(problem);
    const std::string detail(problem->at("detail").as_string());
    EXPECT_NE(detail.find(wrong.says), std::string::npos) << detail;
    const auto after = co_await directory_of(test);
    EXPECT_EQ(before, after) << wrong.body;
  }
}

CO_TEST(Apply, SaysTheFirstTwentyErrorsAtOnce) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  std::string body = R"({"roles":[)";
  for (int i = 0; i < 100; ++i)
    body += (i > 0 ? "," : "") + std::string(R"({"name":"wrong )") + std::to_string(i) + R"("})";
  const auto refused = co_await apply(test, body + "]}");
  CO_ASSERT_TRUE(!refused);
  const auto& message = refused.error().message;
  EXPECT_TRUE(message.starts_with("the first 20 errors | roles[0] \"wrong 0\": ")) << message;
  EXPECT_NE(message.find("roles[19]"), std::string::npos) << message;
  EXPECT_EQ(message.find("roles[20]"), std::string::npos) << message;
}

CO_TEST(Apply, PrunesTheKindsThatAreNamed) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await apply(test, kFile));
  CO_ASSERT_OK(co_await test.make_account("bob@example.com"));
  CO_ASSERT_OK(co_await test.give("bob@example.com", "shop"));
  const auto unpruned = co_await apply(test, kFile);
  CO_ASSERT_OK(unpruned);
  EXPECT_EQ(words(*unpruned), "");
  const auto resources = co_await apply(test, R"({"prune":true,"resources":[{"name":"billing"}]})");
  CO_ASSERT_OK(resources);
  EXPECT_EQ(words(*resources), "delete grant shop shop\ndelete resource shop\n");
  const auto roles = co_await apply(test, R"({"prune":true,"roles":[{"name":"engineers","grants":[]}],
                                             "accounts":[{"email":"admin@example.com"},{"email":"ci@example.com"},
                                                         {"email":"ann@example.com","roles":[]}]})");
  CO_ASSERT_OK(roles);
  const auto said = words(*roles);
  for (const char* line :
       {"delete membership ann@example.com engineers\n", "delete membership bob@example.com shop\n",
        "delete grant engineers billing\n", "delete account bob@example.com\n", "delete role shop\n"})
    EXPECT_NE(said.find(line), std::string::npos) << line << said;
  EXPECT_EQ(roles->totals.deleted, 5U) << said;
}

CO_TEST(Apply, APruneFreesNamesAndPortsAndKeepsItsCaller) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await apply(test, kFile));
  const auto moved = co_await apply(
      test, R"({"prune":true,"resources":[{"name":"ledger","type":"tcp","host":"h","port":5432,"local_port":15432}]})");
  CO_ASSERT_OK(moved);
  EXPECT_EQ(moved->totals.deleted, 2U);
  const auto refused = co_await apply(test, R"({"prune":true,"accounts":[{"email":"ann@example.com","admin":true}]})");
  CO_ASSERT_TRUE(!refused);
  EXPECT_NE(refused.error().message.find("your own account"), std::string::npos) << refused.error().message;
}

CO_TEST(Apply, IsForAdminsWhoseTokenMay) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  const auto denied = co_await test.call({"POST /v1/apply", {}, kFile}, ann->by_token);
  EXPECT_EQ(denied.status, 403);
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  for (const char* permission : {"roles:write", "apply:write"}) {
    const auto token = co_await test.post<api::ApiTokenMade>(
        "/v1/tokens", api::ApiTokenCreate{.name = permission, .permissions = std::vector<std::string>{permission}},
        admin->by_token);
    CO_ASSERT_OK(token);
    const auto response = co_await test.call({"POST /v1/apply", {}, kFile}, As{token->token->reveal(), {}});
    EXPECT_EQ(response.status, permission == std::string("apply:write") ? 200 : 403) << response.body;
  }
}

CO_TEST(Apply, ManyResourcesShareNoLocalPort) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  std::string body = R"({"resources":[)";
  for (int i = 0; i < 300; ++i)
    body += (i > 0 ? "," : "") + std::string(R"({"name":"db-)") + std::to_string(i) +
            R"(","type":"postgres","host":"h","username":"app"})";
  // Asked for by number: who chooses goes around it, though it comes later.
  body += R"(,{"name":"last","type":"postgres","host":"h","username":"app","local_port":15433}]})";
  const auto made = co_await apply(test, body);
  CO_ASSERT_OK(made);
  EXPECT_EQ(made->totals.created, 301U);
}

CO_TEST(Apply, MakesClustersAndWhatIsBehindThem) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const std::string file =
      R"({"clusters":[{"name":"eu","address":"proxy.example:5000","tags":{"env":"prod"}}],)"
      R"("resources":[{"name":"billing","type":"tcp","host":"h","port":5432,"egress_nodes":["eu"]}]})";
  const auto first = co_await apply(test, file);
  CO_ASSERT_OK(first);
  EXPECT_TRUE(
      words(*first).starts_with("create cluster eu address:none>proxy.example:5000 "
                                "tags.env:none>prod\ncreate resource billing "))
      << words(*first);
  const auto again = co_await apply(test, file);
  CO_ASSERT_OK(again);
  EXPECT_EQ(again->totals.unchanged, 2U);
  const auto moved = co_await apply(test, R"({"clusters":[{"name":"eu","address":"proxy-2.example:5000"}]})");
  CO_ASSERT_OK(moved);
  EXPECT_EQ(words(*moved), "update cluster eu address:proxy.example:5000>proxy-2.example:5000\n");
  for (const char* bad : {R"({"clusters":[{"name":"eu","bridged":true}]})", R"({"clusters":[{"name":"us"}]})",
                          R"({"clusters":[{"name":"us","address":"h:1"},{"name":"us","address":"h:1"}]})",
                          R"({"resources":[{"name":"billing","egress_nodes":["us"]}]})"}) {
    const auto refused = co_await apply(test, bad);
    EXPECT_FALSE(refused) << bad;
  }
  // What is not named stays: workers hang on it.
  const auto pruned = co_await apply(test, with(R"({"clusters":[]})", R"("prune":true)"));
  CO_ASSERT_OK(pruned);
  EXPECT_EQ(words(*pruned), "");
}

}  // namespace
}  // namespace portolan::control
