#include "control/idempotency.h"

#include <gtest/gtest.h>

#include "api/token.h"
#include "control/operations.h"
#include "control/permissions.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::Ask;
using testing::Response;
using testing::TestPlane;

Ask ask(std::string route, std::string body, std::string key) {
  return {std::move(route), {}, std::move(body), {{"idempotency-key", std::move(key)}}};
}
Ask role(std::string name, std::string key) {
  return ask("POST /v1/roles", R"({"name":")" + name + R"("})", std::move(key));
}
std::string code_of(const Response& response) {
  const auto body = json::parse(response.body);
  return body && body->as_object().contains("code") ? std::string(body->at("code").as_string()) : "";
}
// The same answer, but for what is said of its coming again.
void expect_replayed(const Response& first, const Response& second) {
  EXPECT_LT(first.status, 300) << first.body;
  EXPECT_EQ(first.header("idempotency-replayed"), "");
  EXPECT_EQ(second.header("idempotency-replayed"), "true") << second.body;
  EXPECT_EQ(second.status, first.status);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(second.header("etag"), first.header("etag"));
  EXPECT_EQ(second.header("content-type"), first.header("content-type"));
  EXPECT_EQ(second.header("cache-control"), "no-store");
}

CO_TEST(Idempotency, TheSameRequestGetsTheFirstAnswer) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto first = co_await test.call(role("dba", "k-1"), test.admin);
  const auto second = co_await test.call(role("dba", "k-1"), test.admin);
  expect_replayed(first, second);
  EXPECT_EQ(test.plane->core().lookup()->snapshot().roles.size(), 1U);
  // It says what was made, whatever has become of that.
  const auto changed = co_await test.call({"DELETE /v1/roles/dba"}, test.admin);
  EXPECT_EQ(changed.status, 204);
  const auto third = co_await test.call(role("dba", "k-1"), test.admin);
  expect_replayed(first, third);
  EXPECT_TRUE(test.plane->core().lookup()->snapshot().roles.empty());
}

CO_TEST(Idempotency, AnotherRequestUnderTheSameKeyIsRefused) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto first = co_await test.call(role("dba", "k-1"), test.admin);
  EXPECT_EQ(first.status, 201) << first.body;
  const auto body = co_await test.call(role("ops", "k-1"), test.admin);
  EXPECT_EQ(body.status, 422) << body.body;
  EXPECT_EQ(code_of(body), "idempotency_mismatch");
  const auto route = co_await test.call(ask("POST /v1/accounts", R"({"name":"dba"})", "k-1"), test.admin);
  EXPECT_EQ(route.status, 422) << route.body;
  EXPECT_EQ(test.plane->core().lookup()->snapshot().roles.size(), 1U);
  const auto other_key = co_await test.call(role("ops", "k-2"), test.admin);
  EXPECT_EQ(other_key.status, 201) << other_key.body;
}

CO_TEST(Idempotency, IsEachCallersOwn) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto more = co_await test.plane->make_api_token("admin@example.com", "another");
  CO_ASSERT_OK(more);
  const auto first = co_await test.call(role("dba", "k-1"), test.admin);
  EXPECT_EQ(first.status, 201) << first.body;
  const auto other = co_await test.call(role("dba", "k-1"), As{.token = more->reveal()});
  EXPECT_EQ(other.status, 409) << other.body;  // no replay: the name is taken
  const auto nobody = co_await test.call(role("dba", "k-1"));
  EXPECT_EQ(nobody.status, 401) << nobody.body;
}

// Whether there is a record of what the admin's token has asked for under this key, good or not.
bool kept_by_admin(TestPlane& test, std::string header) {
  auto& core = test.plane->core();
  const Caller caller{.token = core.lookup()->snapshot().api_tokens.begin()->first};
  const auto key = idempotency_of({.headers = {{"idempotency-key", std::move(header)}}}, caller).value()->key;
  const auto kept = core.directory->kept_answer(key);
  EXPECT_TRUE(kept) << kept.error().message;
  return kept && *kept;
}

CO_TEST(Idempotency, OutlivesARestartAndEndsAfterADay) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto first = co_await test.call(role("dba", "k-1"), test.admin);
  test.open();
  clock.advance(24h);
  EXPECT_TRUE(kept_by_admin(test, "k-1"));
  const auto second = co_await test.call(role("dba", "k-1"), test.admin);
  expect_replayed(first, second);
  clock.advance(1ms);
  const auto late = co_await test.call(role("dba", "k-1"), test.admin);
  EXPECT_EQ(late.status, 409) << late.body;
  // What is old does not lie about either.
  test.open();
  EXPECT_FALSE(kept_by_admin(test, "k-1"));
}

// A token that is shown once is sealed where it is kept.
CO_TEST(Idempotency, KeepsNoSecretInTheOpen) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  const auto first = co_await test.call(ask("POST /v1/tokens", R"({"name":"ci"})", "k-1"), ann->by_token);
  const auto second = co_await test.call(ask("POST /v1/tokens", R"({"name":"ci"})", "k-1"), ann->by_token);
  expect_replayed(first, second);
  const auto made = json::decode<api::ApiTokenMade>(second.body, json::Unknown::kRefuse);
  CO_ASSERT_OK(made);
  const auto works = co_await test.call({"GET /v1/whoami"}, As{.token = made->token->reveal()});
  EXPECT_EQ(works.status, 200);
  test.plane.reset();
  for (const char* name : {"directory.db", "directory.db-wal"}) {
    const auto content = read_file(test.folder.path / name);
    if (content) EXPECT_EQ(content->find(made->token->reveal()), std::string::npos) << name;
  }
}

net::Task<> call_into(TestPlane& test, Ask ask, As as, std::optional<Response>& into) {
  into = co_await test.call(std::move(ask), std::move(as));
}

CO_TEST(Idempotency, TwoAtTheSameTimeMakeOne) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  for (int round = 0; round < 10; ++round) {
    const auto key = "k-" + std::to_string(round);
    std::array<std::optional<Response>, 4> answers;
    net::TaskGroup tasks(test.executor);
    for (auto& answer : answers)
      tasks.spawn("call", call_into(test, ask("POST /v1/join-tokens", R"({"kind":"relay"})", key), test.admin, answer));
    co_await tasks.join();
    int replayed = 0;
    for (const auto& answer : answers) {
      EXPECT_EQ(answer->status, 201) << answer->body;
      EXPECT_EQ(answer->body, answers.front()->body);
      replayed += answer->header("idempotency-replayed") == "true" ? 1 : 0;
    }
    EXPECT_EQ(replayed, 3);
  }
  EXPECT_EQ(test.plane->core().lookup()->snapshot().join_tokens.size(), 10U);
}

CO_TEST(Idempotency, FailuresAreNotKept) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto membership = ask("POST /v1/memberships", R"({"account":"admin@example.com","role":"dba"})", "k-1");
  const auto early = co_await test.call(membership, test.admin);
  EXPECT_EQ(early.status, 404) << early.body;
  const auto made = co_await test.call(role("dba", "k-2"), test.admin);
  EXPECT_EQ(made.status, 201) << made.body;
  const auto taken = co_await test.call(role("dba", "k-3"), test.admin);
  EXPECT_EQ(taken.status, 409) << taken.body;
  const auto gone = co_await test.call({"DELETE /v1/roles/dba"}, test.admin);
  EXPECT_EQ(gone.status, 204);
  const auto again = co_await test.call(role("dba", "k-3"), test.admin);
  EXPECT_EQ(again.status, 201) << again.body;
  const auto later = co_await test.call(membership, test.admin);
  EXPECT_EQ(later.status, 201) << later.body;
}

CO_TEST(Idempotency, AChangedSealingKeyLosesAnswersAndDoublesNothing) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  auto& core = test.plane->core();
  const auto first = co_await test.call(role("dba", "k-1"), test.admin);
  EXPECT_EQ(first.status, 201) << first.body;
  const auto key = idempotency_of({.headers = {{"idempotency-key", "k-1"}}}, Caller{.token = "at-x"}).value()->key;
  const auto foreign = crypto::SealingKey::generate().seal(Secret("{}"), "kept-answer/" + key);
  const store::KeptAnswer kept{key, "a-x", foreign, core.now()};
  CO_ASSERT_OK(co_await core.change("test", [kept](store::Change& change) { return change.keep_answer(kept, {}); }));
  const auto lost = co_await first_answer(core, {key, "a-x", "request"});
  CO_ASSERT_ERROR(lost, Code::kConflict);
  EXPECT_EQ(lost.error().reason, "idempotency_lost");
}

// Every operation that is said to take the header refuses a bad one, and no other looks at it.
CO_TEST(Idempotency, IsTakenWhereItIsDocumented) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  std::size_t creates = 0;
  for (const auto& operation : operations()) {
    const bool post = operation.route.starts_with("POST ") && !operation.route.contains('{');
    if (!post || find_permission(operation.route)->who == Who::kNode) continue;
    const auto ann = co_await test.sign_in("admin@example.com");
    CO_ASSERT_OK(ann);
    const auto response =
        co_await test.call(ask(std::string(operation.route), "{}", std::string(256, 'k')), ann->by_token);
    const bool refused = response.body.contains("Idempotency-Key");
    EXPECT_EQ(refused, operation.creates) << operation.route << response.body;
    if (refused) EXPECT_EQ(response.status, 400);
    creates += operation.creates ? 1 : 0;
  }
  EXPECT_EQ(creates, 10U);
}

TEST(Idempotency, Keys) {
  const auto taken = [](std::string key) {
    return idempotency_of({.headers = {{"idempotency-key", std::move(key)}}}, Caller{.account = "a-1"});
  };
  EXPECT_FALSE(idempotency_of({}, {}).value());
  for (const std::string& good : {std::string("x"), std::string("\"8e03978e-40d5\""), std::string(255, '~')})
    EXPECT_TRUE(taken(good)) << good;
  for (const std::string& bad : {std::string(), std::string(256, 'x'), std::string("a\tb"), std::string("ü")})
    EXPECT_FALSE(taken(bad)) << bad;
}

}  // namespace
}  // namespace portolan::control
