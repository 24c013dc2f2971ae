#include "update/state.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::Folder;
using ::testing::HasSubstr;

Manifest manifest(std::uint64_t sequence, WallTime made, std::string channel = "stable") {
  Manifest out;
  out.channel = std::move(channel);
  out.sequence = sequence;
  out.made = made;
  return out;
}

std::string said(const Result<>& done) { return done ? "good" : std::string(done.error().stable_code()); }

TEST(UpdateState, IsNewWithoutAFile) {
  const Folder folder;
  const auto one = load_state(folder / "a");
  const auto two = load_state(folder / "b");
  ASSERT_TRUE(one && two);
  EXPECT_GE(one->installation.size(), 16U);
  EXPECT_NE(one->installation, two->installation);
  EXPECT_FALSE(one->root);
}

TEST(UpdateState, ComesBackAsItWas) {
  const Folder folder;
  State state = *load_state(folder / "s");
  state.root = "envelope";
  state.channels["stable"] = {7, "aa"};
  state.newest = FakeClock().wall();
  state.failed["1.2.0"] = "does not start";
  state.previous = "1.1.0";
  ASSERT_TRUE(save_state(folder / "s", state));
  struct stat info{};
  ASSERT_EQ(::stat((folder / "s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  const auto again = load_state(folder / "s");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->installation, state.installation);
  EXPECT_EQ(again->root, state.root);
  EXPECT_EQ(again->channels.at("stable").sequence, 7U);
  EXPECT_EQ(again->newest, state.newest);
  EXPECT_EQ(again->failed, state.failed);
  EXPECT_EQ(again->previous, state.previous);
}

TEST(UpdateState, ADamagedFileIsNoNewBeginning) {
  const Folder folder;
  for (const std::string text :
       {"", "{}", "{\"format\":", "[]",
        "{\"format\":\"portolan-update-state-9\",\"installation\":\"x\",\"channels\":{},\"failed\":{}}"}) {
    ASSERT_TRUE(write_file(folder / "s", text, Privacy::kPrivate));
    const auto state = load_state(folder / "s");
    ASSERT_FALSE(state) << text;
    EXPECT_THAT(state.error().message, HasSubstr("is damaged")) << text;
  }
  ASSERT_TRUE(write_file(folder / "s", "{}", Privacy::kPublic));
  const auto open_to_all = load_state(folder / "s");
  ASSERT_FALSE(open_to_all);
  EXPECT_EQ(open_to_all.error().code, Code::kDenied);
}

TEST(UpdateState, OnlyGoesForward) {
  const WallTime now = FakeClock().wall();
  const auto later = now + std::chrono::hours(1);
  State state;
  EXPECT_EQ(said(remember(state, manifest(5, now), "five")), "good");
  EXPECT_EQ(said(remember(state, manifest(5, now), "five")), "good");
  EXPECT_EQ(said(remember(state, manifest(5, now), "another five")), "equivocation");
  EXPECT_EQ(said(remember(state, manifest(4, later), "four")), "rollback");
  EXPECT_EQ(state.newest, now) << "what is refused leaves nothing behind";
  EXPECT_EQ(said(remember(state, manifest(9, later), "nine")), "good");
  EXPECT_EQ(said(remember(state, manifest(5, now), "five")), "rollback");
  EXPECT_EQ(said(remember(state, manifest(1, now, "beta"), "one")), "good") << "each channel counts for itself";
  EXPECT_EQ(state.newest, later);
}

TEST(UpdateState, AClockThatWasSetBackHelpsNobody) {
  const WallTime now = FakeClock().wall();
  State state;
  EXPECT_EQ(not_before(state, now), now);
  ASSERT_TRUE(remember(state, manifest(1, now), "one"));
  EXPECT_EQ(not_before(state, now - std::chrono::days(100)), now);
  EXPECT_EQ(not_before(state, now + std::chrono::days(1)), now + std::chrono::days(1));
}

}  // namespace
}  // namespace portolan::update
