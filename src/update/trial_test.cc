#include "update/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "update/state.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::content_of;
using testing::Folder;
using testing::program;
using testing::write_program;

// 1.2.0 is installed, 1.1.0 is the one before.
class TrialTest : public ::testing::Test {
 protected:
  TrialTest() {
    write_program(place_.program, program("1.2.0"));
    write_program(previous_of(place_), program("1.1.0"));
    State state = *load_state(file_);
    state.trial = Trial{"1.2.0", 0};
    EXPECT_TRUE(save_state(file_, state));
  }
  std::optional<std::string> start(std::string_view version = "1.2.0") const {
    return begin_start(state_folder_, place_, *Version::parse(version));
  }
  State state() const { return *load_state(file_); }

  Folder folder_;
  std::filesystem::path state_folder_ = folder_ / "state";
  std::filesystem::path file_ = state_folder_ / kStateFile;
  Place place_{folder_ / "portolan", std::chrono::seconds(10)};
};

TEST_F(TrialTest, IsLeftWhenItHasHadItsStarts) {
  for (std::uint32_t i = 0; i < kMostStarts; ++i) EXPECT_FALSE(start()) << i;
  EXPECT_EQ(content_of(place_.program), program("1.2.0"));
  const auto back = start();
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, "1.1.0");
  EXPECT_EQ(content_of(place_.program), program("1.1.0"));
  EXPECT_TRUE(state().failed.contains("1.2.0"));
  EXPECT_FALSE(state().trial);
  EXPECT_FALSE(start("1.1.0"));
}

TEST_F(TrialTest, IsOverWhenItWorks) {
  EXPECT_FALSE(start());
  EXPECT_FALSE(start());
  ASSERT_TRUE(pass_trial(state_folder_, *Version::parse("1.2.0")));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(start());
  EXPECT_EQ(content_of(place_.program), program("1.2.0"));
  EXPECT_FALSE(state().failed.contains("1.2.0"));
}

TEST_F(TrialTest, IsOfOneVersion) {
  ASSERT_TRUE(pass_trial(state_folder_, *Version::parse("1.1.0")));
  EXPECT_TRUE(state().trial) << "another one's success";
  EXPECT_FALSE(start("1.3.0"));
  EXPECT_FALSE(state().trial);
}

TEST_F(TrialTest, StaysIfThereIsNothingToGoBackTo) {
  std::filesystem::remove(previous_of(place_));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(start()) << i;
  EXPECT_EQ(content_of(place_.program), program("1.2.0"));
}

TEST_F(TrialTest, NothingKnownIsNoReasonNotToStart) {
  ASSERT_TRUE(write_file(file_, "damaged", Privacy::kPrivate));
  EXPECT_FALSE(start());
  std::filesystem::remove_all(state_folder_);
  EXPECT_FALSE(start());
  EXPECT_FALSE(std::filesystem::exists(state_folder_));
}

}  // namespace
}  // namespace portolan::update
