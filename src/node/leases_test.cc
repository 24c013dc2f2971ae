#include "node/leases.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "node/fake_control.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

const LeaseKey kKey{"a-1", "d-1", "rs-1"};

api::Lease lease_for(const LeaseKey& key, std::string id = "l-1") {
  api::Lease lease;
  lease.id = std::move(id);
  lease.account = key.account;
  lease.device = key.device;
  lease.resource = key.resource;
  lease.node = "n-1";
  lease.life_ms = 300'000;
  return lease;
}

struct Holder : LeaseHolder {
  explicit Holder(std::string name) : id(std::move(name)) {}
  const std::string& session_id() const override { return id; }
  void lease_ended(Error reason) override { ended = std::move(reason); }
  std::string id;
  std::optional<Error> ended;
};

// A cache whose control plane gives what `answer` says.
struct Rig {
  Rig(const net::Executor& executor, std::function<Result<api::Lease>()> answer)
      : control([answer = std::move(answer)](const std::string&, const std::string&) -> Result<std::string> {
          auto lease = answer();
          if (!lease) return std::unexpected(lease.error());
          return json::encode(*lease);
        }),
        cache(executor, control, clock, "n-1") {}
  FakeClock clock;
  testing::FakeControl control;
  LeaseCache cache;
};

CO_TEST(LeaseCache, AsksOnceForAllWhoKnockAtOnceAndThenNotAgain) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, [] { return lease_for(kKey); });
  net::TaskGroup tasks(executor);
  int got = 0;
  const auto knock = [](Rig& to, int& count) -> net::Task<> {
    const auto lease = co_await to.cache.get(kKey, "assertion", std::nullopt);
    if (lease) ++count;
  };
  for (int i = 0; i < 20; ++i) tasks.spawn("knock", knock(rig, got));
  co_await tasks.join();
  EXPECT_EQ(got, 20);
  EXPECT_EQ(rig.control.calls, 1);
  rig.clock.advance(5min);
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "assertion", std::nullopt));
  EXPECT_EQ(rig.control.calls, 2);
}

CO_TEST(LeaseCache, WhatIsDerivedFromACredentialLivesAsLongAsItDoes) {
  std::string password = "pencil";
  Rig rig(co_await net::this_executor(), [&password] {
    api::Lease lease = lease_for(kKey);
    lease.password = Secret(password);
    return lease;
  });
  const crypto::Sha256 derived = crypto::sha256(as_bytes("derived"));
  Holder first("s-1"), second("s-2");
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "assertion", std::nullopt));
  const auto kept = rig.cache.hold(kKey, first);
  CO_ASSERT_OK(kept);
  (*kept)->keep(as_bytes("salt"), derived);
  CO_ASSERT_OK(co_await rig.cache.renew(kKey, "assertion"));
  auto later = rig.cache.hold(kKey, second);
  CO_ASSERT_OK(later);
  EXPECT_EQ((*later)->find(as_bytes("salt")), derived) << "the same credential";

  password = "eraser";
  CO_ASSERT_OK(co_await rig.cache.renew(kKey, "assertion"));
  EXPECT_FALSE((*kept)->find(as_bytes("salt"))) << "the credential was changed";
  later = rig.cache.hold(kKey, second);
  CO_ASSERT_OK(later);
  (*later)->keep(as_bytes("salt"), derived);
  rig.cache.revoke({"l-1"}, "access was taken away");
  EXPECT_FALSE((*later)->find(as_bytes("salt"))) << "the lease has ended, its session not yet";
}

CO_TEST(LeaseCache, EachOneRefusedAsksForHimself) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, []() -> Result<api::Lease> { return fail(Code::kDenied, "no grant", "no_grant"); });
  net::TaskGroup tasks(executor);
  int refused = 0;
  const auto knock = [](Rig& to, int& count) -> net::Task<> {
    const auto lease = co_await to.cache.get(kKey, "assertion", std::nullopt);
    if (!lease && lease.error().code == Code::kDenied && lease.error().hop == Hop::kControlPlane) ++count;
  };
  for (int i = 0; i < 5; ++i) tasks.spawn("knock", knock(rig, refused));
  co_await tasks.join();
  EXPECT_EQ(refused, 5);
}

CO_TEST(LeaseCache, TakesNoLeaseForSomebodyElse) {
  const auto executor = co_await net::this_executor();
  for (int field = 0; field < 4; ++field) {
    Rig rig(executor, [field] {
      api::Lease lease = lease_for(kKey);
      (field == 0 ? lease.account : field == 1 ? lease.device : field == 2 ? lease.resource : lease.node) = "x-2";
      return lease;
    });
    const auto lease = co_await rig.cache.get(kKey, "assertion", std::nullopt);
    CO_ASSERT_ERROR(lease, Code::kProtocol);
  }
}

CO_TEST(LeaseCache, RefusesWhatItDoesNotUnderstand) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, [] {
    api::Lease lease = lease_for(kKey);
    lease.must_understand = {"masking"};
    return lease;
  });
  const auto lease = co_await rig.cache.get(kKey, "assertion", std::nullopt);
  CO_ASSERT_ERROR(lease, Code::kDenied);
  EXPECT_EQ(lease.error().stable_code(), "lease_not_understood");
}

CO_TEST(LeaseCache, ServesWhatItUnderstands) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, [] {
    api::Lease lease = lease_for(kKey);
    lease.must_understand = {"strict-audit", "postgres.hosts"};
    return lease;
  });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "assertion", std::nullopt));
}

CO_TEST(LeaseCache, RevocationEndsTheSessionsOfThatLeaseOnly) {
  const auto executor = co_await net::this_executor();
  int made = 0;
  const LeaseKey other{"a-1", "d-1", "rs-2"};
  Rig rig(executor, [&] { return ++made == 1 ? lease_for(kKey, "l-1") : lease_for(other, "l-2"); });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  CO_ASSERT_OK(co_await rig.cache.get(other, "x", std::nullopt));
  Holder first("s-1"), second("s-2");
  CO_ASSERT_OK(rig.cache.hold(kKey, first));
  CO_ASSERT_OK(rig.cache.hold(other, second));
  EXPECT_EQ(rig.cache.live().size(), 2U);
  rig.cache.revoke({"l-1"}, "membership taken away");
  CO_ASSERT_TRUE(first.ended.has_value());
  EXPECT_EQ(first.ended->message, "membership taken away");
  EXPECT_FALSE(second.ended);
  EXPECT_FALSE(rig.cache.hold(kKey, first));
  rig.cache.end_session("s-2", "unknown lease");
  EXPECT_TRUE(second.ended);
}

// A client is told whether trying again helps.
CO_TEST(LeaseCache, WhatMayBeBegunAnewIsNotCalledDenied) {
  struct Case {
    std::string_view code;
    Code expected;
    std::string_view reason;
  };
  const Case cases[] = {{"session_ended", Code::kUnavailable, "session_ended"},
                        {"resource_changed", Code::kUnavailable, "resource_changed"},
                        {"not_egress", Code::kUnavailable, "not_egress"},
                        {"signed_out", Code::kUnauthenticated, "signed_out"},
                        {"no_grant", Code::kDenied, "revoked"},
                        {"", Code::kDenied, "revoked"}};
  for (const Case& each : cases) {
    Rig rig(co_await net::this_executor(), [] { return lease_for(kKey); });
    CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
    Holder one("s-1");
    CO_ASSERT_OK(rig.cache.hold(kKey, one));
    rig.cache.end_session("s-1", "why", each.code);
    CO_ASSERT_TRUE(one.ended.has_value());
    EXPECT_EQ(one.ended->code, each.expected) << each.code;
    EXPECT_EQ(one.ended->reason, each.reason);
    EXPECT_EQ(one.ended->retry_can_help(), each.expected == Code::kUnavailable);
    CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
    Holder two("s-2");
    CO_ASSERT_OK(rig.cache.hold(kKey, two));
    rig.cache.revoke({"l-1"}, "why", each.code);
    CO_ASSERT_TRUE(two.ended.has_value());
    EXPECT_EQ(two.ended->reason, each.reason);
  }
}

// The lease and its revocation come on two connections, in either order.
CO_TEST(LeaseCache, ARevocationThatOvertakesItsLeaseCounts) {
  const auto executor = co_await net::this_executor();
  LeaseCache* cache = nullptr;
  bool overtakes = true;
  int made = 0;
  Rig rig(executor, [&] {
    const std::string id = "l-" + std::to_string(++made);
    if (overtakes) cache->revoke({id}, "membership taken away");
    return lease_for(kKey, id);
  });
  cache = &rig.cache;
  const auto lease = co_await rig.cache.get(kKey, "x", std::nullopt);
  CO_ASSERT_ERROR(lease, Code::kDenied);
  Holder holder("s-1");
  EXPECT_FALSE(rig.cache.hold(kKey, holder));
  // A lease that is given later is a new one.
  overtakes = false;
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  CO_ASSERT_OK(rig.cache.hold(kKey, holder));
}

CO_TEST(LeaseCache, WhatMayNotGoOnMayNotBeginAgainOnTheSameLease) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, [] { return lease_for(kKey); });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  Holder first("s-1"), second("s-2");
  CO_ASSERT_OK(rig.cache.hold(kKey, first));
  rig.cache.end_session("s-1", "access was taken away");
  EXPECT_TRUE(first.ended);
  EXPECT_FALSE(rig.cache.hold(kKey, second));
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  EXPECT_EQ(rig.control.calls, 2);
}

CO_TEST(LeaseCache, ForgetsWhatNobodyHoldsWhenTheControlPlaneIsNew) {
  Rig rig(co_await net::this_executor(), [] { return lease_for(kKey); });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  rig.cache.forget_unused();
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  EXPECT_EQ(rig.control.calls, 2);
  Holder holder("s-1");
  CO_ASSERT_OK(rig.cache.hold(kKey, holder));
  rig.cache.forget_unused();
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  EXPECT_EQ(rig.control.calls, 2);
  EXPECT_FALSE(holder.ended);
}

CO_TEST(LeaseCache, TimeEndsWhatIsNotRenewed) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, [] { return lease_for(kKey); });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  Holder holder("s-1");
  CO_ASSERT_OK(rig.cache.hold(kKey, holder));
  rig.clock.advance(4min);
  CO_ASSERT_OK(co_await rig.cache.renew(kKey, "fresh"));
  rig.clock.advance(4min);
  rig.cache.sweep(std::nullopt);
  EXPECT_FALSE(holder.ended);
  rig.clock.advance(70s);
  rig.cache.sweep(std::nullopt);
  CO_ASSERT_TRUE(holder.ended.has_value());
  EXPECT_EQ(holder.ended->reason, "lease_ended");
  EXPECT_EQ(rig.cache.sessions(), 0U);
}

CO_TEST(LeaseCache, WhileTheControlPlaneIsAway) {
  const auto executor = co_await net::this_executor();
  Rig rig(executor, [] { return lease_for(kKey); });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  Holder holder("s-1");
  CO_ASSERT_OK(rig.cache.hold(kKey, holder));
  // Within the lease's life a new session begins without a question.
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", 1min));
  EXPECT_EQ(rig.control.calls, 1);
  // The lease has run out, but a session outlasts it by the grace.
  rig.clock.advance(6min);
  rig.cache.sweep(4min);
  EXPECT_FALSE(holder.ended);
  rig.cache.sweep(5min);
  CO_ASSERT_TRUE(holder.ended.has_value());
  EXPECT_EQ(holder.ended->reason, "control_plane_away");
  const auto late = co_await rig.cache.get(kKey, "x", 6min);
  CO_ASSERT_ERROR(late, Code::kUnavailable);
}

CO_TEST(LeaseCache, ARenewalThatIsDeniedEndsSessionsAndOneThatFailsDoesNot) {
  const auto executor = co_await net::this_executor();
  Result<api::Lease> next = lease_for(kKey);
  Rig rig(executor, [&] { return next; });
  CO_ASSERT_OK(co_await rig.cache.get(kKey, "x", std::nullopt));
  Holder holder("s-1");
  CO_ASSERT_OK(rig.cache.hold(kKey, holder));
  next = fail(Code::kUnavailable, "away");
  Result<std::shared_ptr<const api::Lease>> renewed = fail(Code::kInternal, "");
  renewed = co_await rig.cache.renew(kKey, "fresh");
  EXPECT_FALSE(renewed);
  EXPECT_FALSE(holder.ended);
  next = fail(Code::kDenied, "no grant", "no_grant");
  renewed = co_await rig.cache.renew(kKey, "fresh");
  EXPECT_FALSE(renewed);
  EXPECT_TRUE(holder.ended);
}

}  // namespace
}  // namespace portolan::node
