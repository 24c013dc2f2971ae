#include "control/core.h"

#include <gtest/gtest.h>

#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::TestPlane;

constexpr const char* kAnn = "ann@example.com";

CO_TEST(CoreLookup, KeepsWhoMayUseWhatUntilThatChanges) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account(kAnn));
  const auto given = co_await test.give(kAnn, "billing");
  CO_ASSERT_OK(given);
  Core& core = test.plane->core();
  const auto before = core.lookup();
  const auto* access = &before->access();

  CO_ASSERT_OK(co_await test.sign_in(kAnn));
  const auto signed_in = core.lookup();
  EXPECT_NE(signed_in, before);
  EXPECT_EQ(&signed_in->access(), access);

  const auto removed = co_await test.call({"DELETE /v1/memberships/" + given->id}, test.admin);
  EXPECT_EQ(removed.status, 204);
  const auto after = core.lookup();
  EXPECT_NE(&after->access(), access);
  EXPECT_TRUE(after->access().memberships_of_account(given->account).empty());

  CO_ASSERT_OK(co_await test.give(kAnn, "ledger"));
  EXPECT_EQ(core.lookup()->access().memberships_of_account(given->account).size(), 1U);
}

}  // namespace
}  // namespace portolan::control
