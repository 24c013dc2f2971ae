#include "control/device_codes.h"

#include <gtest/gtest.h>

#include "crypto/key.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;

SignIns::Installation laptop() {
  return *SignIns::check(crypto::PrivateKey::generate().public_key().pem(), "laptop", {}, {});
}

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

directory::Account ann() {
  directory::Account account;
  account.id = "a-ann";
  return account;
}

class DeviceCodesTest : public testing::Test {
 protected:
  FakeClock clock;
  DeviceCodes codes{clock, {}};
};

TEST_F(DeviceCodesTest, AreApprovedAndTakenOnce) {
  const auto made = codes.make(laptop(), "10.0.0.1");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->user_code.size(), 9U);
  EXPECT_EQ(made->user_code.find_first_of("AEIOUY0123456789"), std::string::npos);
  clock.advance(2s);
  EXPECT_EQ(reason(codes.take(made->device_code)), "authorization_pending");
  const auto shown = codes.find(made->user_code, "10.0.0.2");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->installation.name, "laptop");
  EXPECT_EQ(shown->address, "10.0.0.1");
  EXPECT_TRUE(codes.approve(made->user_code, ann()));
  EXPECT_EQ(reason(codes.find(made->user_code, "10.0.0.2")), "not_found");  // decided once
  clock.advance(2s);
  const auto taken = codes.take(made->device_code);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->account.id, "a-ann");
  clock.advance(2s);
  EXPECT_EQ(reason(codes.take(made->device_code)), "expired_token");
}

TEST_F(DeviceCodesTest, MayBeTypedAnyhow) {
  const auto made = codes.make(laptop(), "10.0.0.1");
  std::string typed = made->user_code;
  typed.erase(4, 1);
  for (char& c : typed) c = static_cast<char>(c - 'A' + 'a');
  EXPECT_TRUE(codes.find(typed, "x"));
  EXPECT_TRUE(codes.find(" " + typed.substr(0, 4) + " " + typed.substr(4), "x"));
  EXPECT_FALSE(codes.find(typed + "b", "x"));
  EXPECT_FALSE(codes.find(typed.substr(1), "x"));
}

TEST_F(DeviceCodesTest, DeniedAndEnded) {
  const auto denied = codes.make(laptop(), "10.0.0.1");
  codes.deny(denied->user_code);
  clock.advance(2s);
  EXPECT_EQ(reason(codes.take(denied->device_code)), "access_denied");
  const auto ended = codes.make(laptop(), "10.0.0.1");
  clock.advance(10min);
  EXPECT_EQ(reason(codes.find(ended->user_code, "x")), "not_found");
  EXPECT_FALSE(codes.approve(ended->user_code, ann()));
  EXPECT_EQ(reason(codes.take(ended->device_code)), "expired_token");
  EXPECT_EQ(reason(codes.take(Secret("pdc1.nothing"))), "expired_token");
}

TEST_F(DeviceCodesTest, WhoAsksTooSoonIsToldToSlowDown) {
  const auto made = codes.make(laptop(), "10.0.0.1");
  EXPECT_EQ(reason(codes.take(made->device_code)), "slow_down");
  clock.advance(2s);
  EXPECT_EQ(reason(codes.take(made->device_code)), "slow_down");  // five seconds more by now
  clock.advance(12s);
  EXPECT_EQ(reason(codes.take(made->device_code)), "authorization_pending");
}

TEST_F(DeviceCodesTest, GuessesLockTheirAddress) {
  const auto made = codes.make(laptop(), "10.0.0.1");
  // Right ones between them do not make room for more.
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(reason(codes.find("BBBB-BBBB", "10.0.0.9")), "not_found");
    if (i < 9) EXPECT_TRUE(codes.find(made->user_code, "10.0.0.9"));
  }
  EXPECT_EQ(reason(codes.find(made->user_code, "10.0.0.9")), "limit");
  EXPECT_TRUE(codes.find(made->user_code, "10.0.0.8"));
  clock.advance(10min);
  EXPECT_EQ(reason(codes.find("BBBB-BBBB", "10.0.0.9")), "not_found");
}

TEST_F(DeviceCodesTest, GuessesFromEverywhereLockAll) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(reason(codes.find("BBBB-BBBB", std::to_string(i / 5))), "not_found");
  EXPECT_EQ(reason(codes.find("BBBB-BBBB", "fresh")), "limit");
}

TEST_F(DeviceCodesTest, AreBounded) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(codes.make(laptop(), "10.0.0.1"));
  EXPECT_EQ(reason(codes.make(laptop(), "10.0.0.1")), "limit");
  const auto installation = laptop();
  for (int i = 0; i < 980; ++i) EXPECT_TRUE(codes.make(installation, "10.0.1." + std::to_string(i / 20)));
  EXPECT_EQ(reason(codes.make(installation, "10.0.2.1")), "limit");
  clock.advance(10min);
  EXPECT_TRUE(codes.make(installation, "10.0.0.1"));
}

}  // namespace
}  // namespace portolan::control
