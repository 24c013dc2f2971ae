#include "client/clocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/identity.h"

namespace portolan::client {
namespace {
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Clocks, AreNamedWhereTheyKeepACertificateOut) {
  const WallTime issued = Clock::real().wall();
  const auto ca = crypto::Authority::create("users", crypto::Profile::kUser, issued - 2h, 24h);
  const auto key = crypto::PrivateKey::generate();
  const auto leaf = *ca.issue(
      {crypto::Profile::kUser, key.public_key(), "ann", {crypto::to_uri(crypto::UserIdentity{"o", "a-1", "d-1"})}},
      issued);
  const WallTime now = issued + 10min;
  for (const auto within : {-5min, 0min, 5min}) EXPECT_FALSE(clocks_apart(now, now + within, leaf));

  const auto behind = clocks_apart(now, now - 1h, leaf);
  ASSERT_TRUE(behind);
  EXPECT_THAT(*behind, HasSubstr("the clock of the control plane is wrong"));
  EXPECT_THAT(*behind, HasSubstr("behind this machine's"));
  const auto ahead = clocks_apart(now, now + 1h, leaf);
  ASSERT_TRUE(ahead);
  EXPECT_THAT(*ahead, HasSubstr("ahead of this machine's: one of the two is wrong"));
  // Behind, and still after the certificate's beginning.
  const auto either = clocks_apart(issued + 1h, issued + 30min, leaf);
  ASSERT_TRUE(either);
  EXPECT_THAT(*either, HasSubstr("one of the two is wrong"));
  for (const auto& said : {behind, ahead, either}) EXPECT_THAT(*said, Not(HasSubstr("sign-in")));
}

}  // namespace
}  // namespace portolan::client
