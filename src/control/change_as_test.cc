// A change waits for the store's one thread, and what waited before it may have taken the caller's right away.
#include <semaphore>

#include <gtest/gtest.h>

#include "control/routes.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::As;
using testing::Ask;
using testing::TestPlane;

net::Task<> hold(Core& core, std::binary_semaphore& go) {
  const auto held = co_await net::run_blocking(core.store_pool, [&go]() -> Result<> {
    go.acquire();
    return {};
  });
  EXPECT_TRUE(held);
}

net::Task<> note(TestPlane& test, Ask ask, As as, std::vector<testing::Response>& answers) {
  answers.push_back(co_await test.call(std::move(ask), std::move(as)));
}

// Every way by which an admin changes something.
const std::vector<Ask> kChanges = {
    {"POST /v1/roles", {}, R"({"name":"new"})"},
    {"POST /v1/roles", {}, R"({"name":"newer"})", {{"idempotency-key", "1"}}},
    {"PATCH /v1/accounts/boss@example.com", {}, R"({"suspended":false,"admin":true})"},
    {"DELETE /v1/roles/old"},
    {"POST /v1/apply", {}, R"({"roles":[{"name":"newest"}]})"},
    {"POST /v1/keys/node/rotate"},
};

// Asks for all changes as another admin while `taking`, by the admin of the tests, is before them in the queue.
net::Task<Result<std::vector<testing::Response>>> asked_too_late(TestPlane& test, std::string taking,
                                                                 std::string body) {
  CO_CHECK(co_await test.set_up());
  CO_CHECK(co_await test.make_account("boss@example.com"));
  CO_CHECK(TestPlane::succeeded(
      co_await test.call({"PATCH /v1/accounts/boss@example.com", {}, R"({"admin":true})"}, test.admin)));
  CO_CHECK(TestPlane::succeeded(co_await test.call({"POST /v1/roles", {}, R"({"name":"old"})"}, test.admin)));
  CO_TRY(const auto token, co_await test.plane->make_api_token("boss@example.com", "boss"));
  Core& core = test.plane->core();
  for (const auto& [id, each] : core.lookup()->snapshot().api_tokens)
    if (each.name == "boss" && taking.ends_with('/')) taking += id;

  std::binary_semaphore go(0);
  std::vector<testing::Response> taken;
  std::vector<testing::Response> answers;
  net::TaskGroup tasks(test.executor);
  tasks.spawn("hold", hold(core, go));
  tasks.spawn("taking", note(test, {taking, {}, body}, test.admin, taken));
  for (const auto& ask : kChanges) tasks.spawn("change", note(test, ask, As{token.reveal(), {}}, answers));
  while (core.requests < 1 + kChanges.size()) {
    CO_CHECK(co_await net::sleep_for(std::chrono::milliseconds(1)));
  }
  go.release();
  co_await tasks.join();
  CO_CHECK(TestPlane::succeeded(taken.front()));
  co_return answers;
}

CO_TEST(ChangeAs, WhatIsTakenAwayWhileAChangeWaitsCounts) {
  struct Case {
    const char* taking;
    const char* body;
    int status;
  };
  const Case cases[] = {
      {"PATCH /v1/accounts/boss@example.com", R"({"suspended":true})", 403},
      {"PATCH /v1/accounts/boss@example.com", R"({"admin":false})", 403},
      {"DELETE /v1/tokens/", "", 401},
  };
  for (const auto& c : cases) {
    TestPlane test(co_await net::this_executor());
    const auto answers = co_await asked_too_late(test, c.taking, c.body);
    CO_ASSERT_OK(answers);
    CO_ASSERT_TRUE(answers->size() == kChanges.size());
    for (const auto& answer : *answers) EXPECT_EQ(answer.status, c.status) << c.taking << c.body << answer.body;
    const auto lookup = test.plane->core().lookup();
    EXPECT_EQ(lookup->snapshot().roles.size(), 1U) << c.taking << c.body;
    EXPECT_EQ(lookup->snapshot().authorities.size(), 4U) << c.taking << c.body;
  }
}

}  // namespace
}  // namespace portolan::control
