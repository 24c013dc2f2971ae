#include "control/sign_in.h"

#include <gtest/gtest.h>

#include "control/test_plane.h"
#include "crypto/identity.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::TestPlane;

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

api::SignInRequest request_for(std::string email, std::string password) {
  return {.email = std::move(email),
          .password = Secret(std::move(password)),
          .public_key = crypto::PrivateKey::generate().public_key().pem(),
          .device_name = "laptop",
          .device = {}};
}

CO_TEST(SignIn, GivesCertificateAndToken) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("Ann@Example.com"));
  const auto ann = co_await test.sign_in("ANN@example.com");
  CO_ASSERT_OK(ann);
  const auto& authorities = test.plane->core().authorities;
  const auto& leaf = *ann->by_certificate.certificate;
  EXPECT_TRUE(crypto::verify_leaf(leaf, authorities.user.certificate(), crypto::Profile::kUser, test.clock.wall()));
  const auto uri = leaf.identity();
  CO_ASSERT_OK(uri);
  EXPECT_EQ(*uri, crypto::to_uri(crypto::UserIdentity{"portolan", ann->signed_in.account, ann->signed_in.device}));
  EXPECT_TRUE(leaf.public_key() == ann->key.public_key());
  EXPECT_LE(leaf.not_after(), ann->signed_in.ends + 1s);
  EXPECT_EQ(ann->signed_in.email, "ann@example.com");
  EXPECT_FALSE(ann->signed_in.admin);
  for (const auto& as : {ann->by_token, ann->by_certificate}) {
    const auto me = co_await test.get<api::AccountView>({"GET /v1/whoami"}, as);
    CO_ASSERT_OK(me);
    EXPECT_EQ(me->id, ann->signed_in.account);
  }
}

CO_TEST(SignIn, WrongIsOneAnswerForAll) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const api::AccountCreate no_password{.email = "robot@example.com", .name = {}, .admin = {}, .password = {}};
  CO_ASSERT_OK(co_await test.post<api::AccountView>("/v1/accounts", no_password, test.admin));
  std::vector<std::string> bodies;
  for (const char* email : {"admin@example.com", "nobody@example.com", "robot@example.com", "not an address"}) {
    const auto response =
        co_await test.call({"POST /v1/sign-ins", {}, json::encode(request_for(email, "wrong password"))});
    EXPECT_EQ(response.status, 401) << email;
    bodies.push_back(response.body);
  }
  for (const auto& body : bodies) EXPECT_EQ(body, bodies.front());
}

CO_TEST(SignIn, FiveWrongPasswordsLockForFiveMinutes) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  for (const char* email : {"admin@example.com", "nobody@example.com"}) {
    for (int i = 0; i < 5; ++i) {
      const auto wrong = co_await test.sign_in(email, "wrong password");
      EXPECT_EQ(reason(wrong), "wrong_password");
    }
    const auto locked = co_await test.sign_in(email);
    EXPECT_EQ(reason(locked), "locked") << email;
  }
  clock.advance(5min);
  const auto after = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(after);
  // A success forgets the failures.
  for (int i = 0; i < 4; ++i) {
    const auto wrong = co_await test.sign_in("admin@example.com", "wrong password");
    EXPECT_EQ(reason(wrong), "wrong_password");
  }
  const auto right = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(right);
}

// Lifted by an admin, by a new password or by itself; each time on record who did it.
CO_TEST(SignIn, ALockIsShownAndLifted) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto until = [&]() -> net::Task<std::optional<WallTime>> {
    const auto ann = co_await test.get<api::AccountView>({"GET /v1/accounts/ann@example.com"}, test.admin);
    co_return ann ? ann->locked_until : std::nullopt;
  };
  const auto lock = [&]() -> net::Task<> {
    for (int i = 0; i < 5; ++i) static_cast<void>(co_await test.sign_in("ann@example.com", "wrong password"));
  };
  const auto unlocked = [&]() -> net::Task<std::size_t> {
    const auto all = co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities"}, test.admin);
    std::size_t count = 0;
    for (const auto& activity : all->items) count += activity.verb == "account.unlocked" ? 1 : 0;
    co_return count;
  };
  CO_ASSERT_EQ(co_await until(), std::nullopt);
  const auto not_locked = co_await test.call({"DELETE /v1/accounts/ann@example.com/lock"}, test.admin);
  EXPECT_EQ(not_locked.status, 204);
  CO_ASSERT_EQ(co_await unlocked(), 0U);

  co_await lock();
  CO_ASSERT_EQ(co_await until(), clock.wall() + 5min);
  const auto by_time = co_await test.get<api::Page<api::AccountView>>(
      {"GET /v1/accounts", {{"filter", "locked_until>=2000-01-01"}}}, test.admin);
  CO_ASSERT_OK(by_time);
  CO_ASSERT_EQ(by_time->items.size(), 1U);
  const auto lifted = co_await test.call({"DELETE /v1/accounts/ann@example.com/lock"}, test.admin);
  EXPECT_EQ(lifted.status, 204);
  CO_ASSERT_EQ(co_await until(), std::nullopt);
  CO_ASSERT_OK(co_await test.sign_in("ann@example.com"));
  CO_ASSERT_EQ(co_await unlocked(), 1U);

  co_await lock();
  const auto reset = co_await test.get<api::AccountView>(
      {"PATCH /v1/accounts/ann@example.com", {}, R"({"password":"another password"})"}, test.admin);
  CO_ASSERT_OK(reset);
  EXPECT_FALSE(reset->locked_until);
  CO_ASSERT_OK(co_await test.sign_in("ann@example.com", "another password"));
  CO_ASSERT_EQ(co_await unlocked(), 2U);

  co_await lock();
  CO_ASSERT_OK(
      co_await test.get<api::AccountView>({"PATCH /v1/accounts/ann@example.com", {}, R"({"name":"Ann"})"}, test.admin));
  const auto still = co_await test.sign_in("ann@example.com", "another password");
  EXPECT_EQ(reason(still), "locked");
  clock.advance(5min);
  CO_ASSERT_EQ(co_await until(), std::nullopt);
}

CO_TEST(SignIn, ALockIsOnRecordOnce) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto locks = [&]() -> net::Task<std::vector<api::ActivityView>> {
    auto all = co_await test.get<api::Page<api::ActivityView>>({"GET /v1/audit/activities"}, test.admin);
    std::erase_if(all->items, [](const auto& activity) { return activity.verb != "account.locked"; });
    co_return std::move(all->items);
  };
  const auto fail_often = [&](int times, std::string email) -> net::Task<> {
    for (int i = 0; i < times; ++i) static_cast<void>(co_await test.sign_in(email, "wrong password"));
  };
  co_await fail_often(4, "ann@example.com");
  const auto none = co_await locks();
  EXPECT_TRUE(none.empty());
  co_await fail_often(4, "ANN@example.com");
  const auto first = co_await locks();
  CO_ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].actor, "system");
  EXPECT_EQ(first[0].object_name, "ann@example.com");
  EXPECT_EQ(first[0].before, R"({"email":"ann@example.com","address":"127.0.0.1","wrong_passwords":5})");
  // Nobody's address: nothing is locked that there is.
  co_await fail_often(6, "nobody@example.com");
  const auto still = co_await locks();
  EXPECT_EQ(still.size(), 1U);
  clock.advance(5min);
  co_await fail_often(6, "ann@example.com");
  const auto second = co_await locks();
  EXPECT_EQ(second.size(), 2U);
}

TEST(Attempts, TellsOnceThatItIsLocked) {
  FakeClock clock;
  Attempts attempts(clock, 2, 5min);
  EXPECT_TRUE(attempts.begin("ann"));
  EXPECT_TRUE(attempts.begin("ann"));
  EXPECT_FALSE(attempts.failed("ann"));  // the other is under way, and may be right
  EXPECT_TRUE(attempts.failed("ann"));
  EXPECT_FALSE(attempts.begin("ann"));
  clock.advance(5min);
  EXPECT_TRUE(attempts.begin("ann"));
  EXPECT_FALSE(attempts.failed("ann"));
  attempts.succeeded("ann");
  EXPECT_FALSE(attempts.failed("ann"));
}

TEST(Attempts, ManyAtOnceDoNotPassTogether) {
  FakeClock clock;
  Attempts attempts(clock, 5, 5min);
  int begun = 0;
  for (int i = 0; i < 100; ++i) begun += attempts.begin("ann@example.com").has_value() ? 1 : 0;
  EXPECT_EQ(begun, 5);
  for (int i = 0; i < 100'000; ++i) static_cast<void>(attempts.begin(std::to_string(i)));
  EXPECT_TRUE(attempts.begin("bob@example.com"));
}

CO_TEST(SignIn, SuspendedAccountsAreToldSoWithTheRightPasswordOnly) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"PATCH /v1/accounts/ann@example.com", {}, R"({"suspended":true})"},
                                                   test.admin));
  const auto right = co_await test.sign_in("ann@example.com");
  EXPECT_EQ(reason(right), "account_suspended");
  const auto wrong = co_await test.sign_in("ann@example.com", "wrong password");
  EXPECT_EQ(reason(wrong), "wrong_password");
  for (const auto& as : {ann->by_token, ann->by_certificate}) {
    const auto me = co_await test.get<api::AccountView>({"GET /v1/whoami"}, as);
    EXPECT_EQ(reason(me), "account_suspended");
  }
}

CO_TEST(SignIn, ADeviceKeepsItsIdAndNobodyElseTakesIt) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  auto again = request_for("ann@example.com", TestPlane::kPassword);
  again.device = ann->signed_in.device;
  const auto kept = co_await test.post<api::SignedIn>("/v1/sign-ins", again, As{});
  CO_ASSERT_OK(kept);
  EXPECT_EQ(kept->device, ann->signed_in.device);
  const auto old_key = co_await test.get<api::AccountView>({"GET /v1/whoami"}, ann->by_certificate);
  EXPECT_EQ(reason(old_key), "signed_out");
  // With the same key both go on.
  const auto renewed = co_await test.post<api::SignedIn>("/v1/sign-ins", again, As{});
  CO_ASSERT_OK(renewed);
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"GET /v1/whoami"}, As{.token = kept->token.reveal()}));
  auto other = request_for("admin@example.com", TestPlane::kPassword);
  other.device = ann->signed_in.device;
  const auto own = co_await test.post<api::SignedIn>("/v1/sign-ins", other, As{});
  CO_ASSERT_OK(own);
  EXPECT_NE(own->device, ann->signed_in.device);
}

CO_TEST(SignIn, SigningOutEndsTokenAndCertificate) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto laptop = co_await test.sign_in("ann@example.com");
  const auto phone = co_await test.sign_in("ann@example.com");
  CO_ASSERT_TRUE(laptop && phone);
  const auto out = co_await test.call({"DELETE /v1/sign-ins/current"}, laptop->by_token);
  EXPECT_EQ(out.status, 204);
  for (const auto& as : {laptop->by_token, laptop->by_certificate}) {
    const auto me = co_await test.get<api::AccountView>({"GET /v1/whoami"}, as);
    EXPECT_EQ(reason(me), "signed_out");
  }
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"GET /v1/whoami"}, phone->by_token));
}

CO_TEST(SignIn, EndsAtItsEnd) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto admin = co_await test.sign_in("admin@example.com");
  CO_ASSERT_OK(admin);
  clock.advance(12h);
  const auto me = co_await test.get<api::AccountView>({"GET /v1/whoami"}, admin->by_token);
  EXPECT_EQ(reason(me), "sign_in_expired");
  const auto by_certificate = co_await test.call({"GET /v1/whoami"}, admin->by_certificate);
  EXPECT_TRUE(by_certificate.status == 401 || by_certificate.status == 403) << by_certificate.body;
  // Signing in again clears away what is over.
  CO_ASSERT_OK(co_await test.sign_in("admin@example.com"));
  EXPECT_EQ(test.plane->core().lookup()->snapshot().sign_ins.size(), 1U);
}

CO_TEST(SignIn, PeopleChangeTheirPasswordByTheOldOne) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto laptop = co_await test.sign_in("ann@example.com");
  const auto phone = co_await test.sign_in("ann@example.com");
  CO_ASSERT_TRUE(laptop && phone);
  const auto change = [&](std::string from, std::string to, std::optional<bool> others) {
    return test.call({"POST /v1/whoami/password",
                      {},
                      json::encode(api::PasswordChange{Secret(std::move(from)), Secret(std::move(to)), others})},
                     laptop->by_token);
  };
  const auto wrong = co_await change("wrong password", "another horse", {});
  EXPECT_EQ(wrong.status, 403) << wrong.body;
  const auto too_short = co_await change(TestPlane::kPassword, "short", {});
  EXPECT_EQ(too_short.status, 400);
  const auto done = co_await change(TestPlane::kPassword, "another horse", {});
  EXPECT_EQ(done.status, 204) << done.body;
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"GET /v1/whoami"}, phone->by_token));
  const auto old = co_await test.sign_in("ann@example.com");
  EXPECT_EQ(reason(old), "wrong_password");
  CO_ASSERT_OK(co_await test.sign_in("ann@example.com", "another horse"));
  const auto alone = co_await change("another horse", "third horse", true);
  EXPECT_EQ(alone.status, 204) << alone.body;
  const auto ended = co_await test.get<api::AccountView>({"GET /v1/whoami"}, phone->by_token);
  EXPECT_EQ(reason(ended), "signed_out");
  CO_ASSERT_OK(co_await test.get<api::AccountView>({"GET /v1/whoami"}, laptop->by_token));
}

CO_TEST(SignIn, MalformedRequestsAreRefused) {
  TestPlane test(co_await net::this_executor());
  const auto good = json::encode(request_for("admin@example.com", "x"));
  auto extra = good;
  extra.insert(extra.size() - 1, R"(,"admin":true)");
  auto no_key = request_for("admin@example.com", "x");
  no_key.public_key = "no key";
  for (const auto& body : {std::string(), std::string("{}"), std::string("[1]"), extra, json::encode(no_key)}) {
    const auto response = co_await test.call({"POST /v1/sign-ins", {}, body});
    EXPECT_EQ(response.status, 400) << body;
  }
}

}  // namespace
}  // namespace portolan::control
