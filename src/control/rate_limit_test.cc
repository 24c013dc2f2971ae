#include "control/rate_limit.h"

#include <gtest/gtest.h>

#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::TestPlane;

TEST(RateLimit, FillsAtItsRate) {
  FakeClock clock;
  RateLimit limit({3, 0.5}, 100, clock);
  const auto first = limit.take("a");
  EXPECT_FALSE(first.refused);
  EXPECT_EQ(first.limit, 3U);
  EXPECT_EQ(first.remaining, 2U);
  EXPECT_EQ(first.reset, 2s);
  limit.take("a");
  EXPECT_FALSE(limit.take("a").refused);
  const auto refused = limit.take("a");
  EXPECT_TRUE(refused.refused);
  EXPECT_EQ(refused.remaining, 0U);
  EXPECT_EQ(refused.wait, 2s);
  EXPECT_EQ(refused.reset, 6s);
  EXPECT_FALSE(limit.take("b").refused);
  clock.advance(1999ms);
  EXPECT_EQ(limit.take("a").wait, 1s);
  clock.advance(1ms);
  EXPECT_FALSE(limit.take("a").refused);
  EXPECT_TRUE(limit.take("a").refused);
  clock.advance(1h);
  EXPECT_EQ(limit.take("a").remaining, 2U);
}

TEST(RateLimit, ForgetsWhoHasRested) {
  FakeClock clock;
  RateLimit limit({2, 1}, 1000, clock);
  for (int i = 0; i < 100; ++i) limit.take("caller " + std::to_string(i));
  EXPECT_EQ(limit.size(), 100U);
  clock.advance(1s);
  for (int i = 0; i < 99; ++i) limit.take("the same");
  EXPECT_EQ(limit.size(), 1U);
}

TEST(RateLimit, HasABound) {
  FakeClock clock;
  RateLimit limit({2, 1}, 50, clock);
  for (int i = 0; i < 10'000; ++i) limit.take("caller " + std::to_string(i));
  EXPECT_EQ(limit.size(), 50U);
  // The one that was used last is still counted.
  limit.take("caller 9999");
  EXPECT_TRUE(limit.take("caller 9999").refused);
}

TEST(RateLimit, Networks) {
  EXPECT_EQ(network_of("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), network_of("2001:db8:1:2::1"));
  EXPECT_NE(network_of("2001:db8:1:2::1"), network_of("2001:db8:1:3::1"));
  EXPECT_EQ(network_of("fe80::1%eth0"), network_of("fe80::2"));
  EXPECT_EQ(network_of(""), "");
}

ServerOptions tight(const TestPlane& test) {
  auto options = test.options();
  options.rates.caller = {5, 1};
  options.rates.address = {3, 1};
  options.rates.sign_in = {2, 1};
  return options;
}
void reopen(TestPlane& test) {
  test.plane.reset();
  auto opened = ControlPlane::open(test.executor, tight(test));
  ASSERT_TRUE(opened) << opened.error().message;
  test.plane = std::move(*opened);
}

CO_TEST(RateLimit, AFloodIsRefusedBeforeItsHandlerAndSlowsNobodyElse) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto other = co_await test.plane->make_api_token("ann@example.com", "of another account");
  const auto same = co_await test.plane->make_api_token("admin@example.com", "of the same");
  CO_ASSERT_TRUE(other && same);
  reopen(test);
  for (int i = 0; i < 5; ++i) {
    const auto taken = co_await test.call({"GET /v1/whoami"}, test.admin);
    EXPECT_EQ(taken.status, 200);
    EXPECT_EQ(taken.header("ratelimit-limit"), "5");
    EXPECT_EQ(taken.header("ratelimit-remaining"), std::to_string(4 - i));
    EXPECT_EQ(taken.header("ratelimit-reset"), std::to_string(i + 1));
    EXPECT_EQ(taken.header("retry-after"), "");
  }
  const auto refused = co_await test.call({"POST /v1/roles", {}, R"({"name":"dba"})"}, test.admin);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(TestPlane::succeeded(refused).error().reason, "rate_limited");
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_EQ(refused.header("ratelimit-remaining"), "0");
  EXPECT_TRUE(test.plane->core().lookup()->snapshot().roles.empty());
  const auto another = co_await test.call({"GET /v1/whoami"}, As{.token = same->reveal()});
  EXPECT_EQ(another.status, 429) << "an account has one bucket, however many tokens";
  const auto watch = co_await test.call({"GET /v1/roles", {{"watch", "1"}}}, test.admin);
  EXPECT_EQ(watch.status, 429);
  const auto slowed = co_await test.call({"GET /v1/whoami"}, As{.token = other->reveal()});
  EXPECT_EQ(slowed.status, 200);
  clock.advance(1s);
  const auto after = co_await test.call({"POST /v1/roles", {}, R"({"name":"dba"})"}, test.admin);
  EXPECT_EQ(after.status, 201) << after.body;
}

CO_TEST(RateLimit, WhoProvesNothingIsCountedByAddress) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  reopen(test);
  const auto health = co_await test.call({"GET /v1/health"});
  EXPECT_EQ(health.header("ratelimit-limit"), "3");
  for (int i = 0; i < 2; ++i) {
    const auto guessed = co_await test.call({"GET /v1/whoami"}, As{.token = "pat1.guess"});
    EXPECT_EQ(guessed.status, 401);
  }
  const auto refused = co_await test.call({"GET /v1/whoami"}, As{.token = "pat1.guess"});
  EXPECT_EQ(refused.status, 429) << refused.body;
  const auto known = co_await test.call({"GET /v1/whoami"}, test.admin);
  EXPECT_EQ(known.status, 200);
}

CO_TEST(RateLimit, SignInsHaveTheirOwn) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  reopen(test);
  for (int i = 0; i < 2; ++i) {
    const auto wrong = co_await test.sign_in("admin@example.com", "wrong");
    CO_ASSERT_TRUE(!wrong);
    EXPECT_EQ(wrong.error().reason, "wrong_password");
  }
  const auto refused = co_await test.sign_in("admin@example.com");
  CO_ASSERT_TRUE(!refused);
  EXPECT_EQ(refused.error().reason, "rate_limited");
  const auto health = co_await test.call({"GET /v1/health"});
  EXPECT_EQ(health.status, 200);
  clock.advance(1s);
  CO_ASSERT_OK(co_await test.sign_in("admin@example.com"));
}

}  // namespace
}  // namespace portolan::control
