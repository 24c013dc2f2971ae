#include "update/choice.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace portolan::update {
namespace {

Version version(std::string_view text) { return *Version::parse(text); }

class ChoiceTest : public ::testing::Test {
 protected:
  ChoiceTest() {
    const std::vector<std::pair<std::string, std::uint32_t>> rows = {{"1.3.0", 0}, {"1.2.0", 100}, {"1.1.0", 100}};
    for (const auto& [number, rollout] : rows) {
      Release release{number, {}, rollout, {}};
      release.files.push_back({std::string(this_platform()), "files/x", 1, std::string(64, 'a')});
      manifest_.releases.push_back(release);
    }
    manifest_.minimum_version = "1.0.0";
  }
  std::string chosen() const {
    const Choice choice = choose(manifest_, installation_);
    std::string out = choice.required ? "required " : "";
    switch (choice.verdict) {
      case Verdict::kCurrent: return out + "current";
      case Verdict::kUpdate: return out + "update " + choice.release->version;
      case Verdict::kWaits: return out + "waits " + choice.release->version;
      case Verdict::kFailedBefore: return out + "failed " + choice.release->version;
      case Verdict::kPinnedAway: return out + "pinned away";
    }
    return out;
  }
  void install(std::string_view text) { installation_.version = version(text); }

  Manifest manifest_;
  Installation installation_{.version = version("1.1.0"), .id = "one"};
};

TEST_F(ChoiceTest, TakesTheNewestThatItMayHave) {
  EXPECT_EQ(chosen(), "update 1.2.0");
  manifest_.releases[0].rollout = 100;
  EXPECT_EQ(chosen(), "update 1.3.0");
  install("1.3.0");
  EXPECT_EQ(chosen(), "current");
}

TEST_F(ChoiceTest, NeverGoesBack) {
  manifest_.releases[0].rollout = 100;
  for (const char* newer : {"1.3.0", "1.3.1", "2.0.0", "1.4.0-rc.1"}) {
    install(newer);
    installation_.rollout = Rollout::kIgnore;
    EXPECT_EQ(chosen(), "current") << newer;
  }
  install("1.3.0");
  installation_.policy.pin = version("1.2.0");
  EXPECT_EQ(chosen(), "pinned away");
}

TEST_F(ChoiceTest, WaitsForItsTurn) {
  install("1.2.0");
  EXPECT_EQ(chosen(), "waits 1.3.0");
  installation_.rollout = Rollout::kIgnore;
  EXPECT_EQ(chosen(), "update 1.3.0");
  installation_.rollout = Rollout::kWait;
  const std::uint32_t place = place_in_rollout("one", "1.3.0");
  manifest_.releases[0].rollout = place;
  EXPECT_EQ(chosen(), "waits 1.3.0");
  manifest_.releases[0].rollout = place + 1;
  EXPECT_EQ(chosen(), "update 1.3.0");
}

TEST_F(ChoiceTest, TheMinimumWaitsForNoRollout) {
  install("1.2.0");
  manifest_.minimum_version = "1.2.1";
  EXPECT_EQ(chosen(), "required update 1.3.0");
  manifest_.minimum_version = "1.2.0";
  EXPECT_EQ(chosen(), "waits 1.3.0");
  installation_.policy.minimum = version("1.3.0");
  EXPECT_EQ(chosen(), "required update 1.3.0");
  installation_.policy.minimum = version("1.9.0");
  install("1.3.0");
  EXPECT_EQ(chosen(), "required current") << "what is there is not enough, and nothing newer is to be had";
}

TEST_F(ChoiceTest, APinIsTheOnlyOne) {
  installation_.policy.pin = version("1.3.0");
  EXPECT_EQ(chosen(), "update 1.3.0") << "whatever its rollout: somebody has said so";
  installation_.policy.pin = version("1.1.0");
  EXPECT_EQ(chosen(), "current");
  installation_.policy.pin = version("1.2.5");
  EXPECT_EQ(chosen(), "pinned away");
  manifest_.releases[1].files[0].platform = "other";
  installation_.policy.pin = version("1.2.0");
  EXPECT_EQ(chosen(), "pinned away");
}

TEST_F(ChoiceTest, WhatDidNotStartIsPassedOver) {
  manifest_.releases[0].rollout = 100;
  installation_.failed = {"1.3.0"};
  EXPECT_EQ(chosen(), "update 1.2.0");
  install("1.2.0");
  EXPECT_EQ(chosen(), "failed 1.3.0");
  installation_.policy.pin = version("1.3.0");
  EXPECT_EQ(chosen(), "failed 1.3.0");
}

TEST_F(ChoiceTest, OtherPlatformsArePassedOver) {
  for (Release& release : manifest_.releases) release.rollout = 100;
  manifest_.releases[0].files[0].platform = "other";
  EXPECT_EQ(chosen(), "update 1.2.0");
}

TEST(Rollout, SpreadsEvenlyAndAnewForEachVersion) {
  int below = 0;
  int same = 0;
  constexpr int kMany = 4000;
  for (int i = 0; i < kMany; ++i) {
    const std::string id = "installation " + std::to_string(i);
    const std::uint32_t place = place_in_rollout(id, "1.2.0");
    ASSERT_LT(place, 100U);
    EXPECT_EQ(place, place_in_rollout(id, "1.2.0"));
    below += place < 25;
    same += place == place_in_rollout(id, "1.3.0");
  }
  EXPECT_NEAR(below, kMany / 4, kMany / 20);
  EXPECT_LT(same, kMany / 20) << "the same ones would always be first";
}

}  // namespace
}  // namespace portolan::update
