#include "update/publish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::content_of;
using ::testing::HasSubstr;
using testing::keys_of;
using testing::Maker;
using testing::program;
using testing::signed_by;

class PublishTest : public ::testing::Test {
 protected:
  std::string said(const Envelope& envelope) {
    const auto done = publish(maker_.tree.path(), envelope, maker_.now);
    return done ? *done : std::string(done.error().stable_code());
  }
  Manifest published() const {
    const auto manifest = published_manifest(maker_.tree.path(), "stable");
    EXPECT_TRUE(manifest && *manifest);
    return manifest && *manifest ? **manifest : Manifest{};
  }
  std::vector<std::string> versions() const {
    std::vector<std::string> out;
    for (const Release& release : published().releases) out.push_back(release.version);
    return out;
  }
  using Versions = std::vector<std::string>;
  Maker maker_{FakeClock().wall()};
};

TEST_F(PublishTest, MakesATree) {
  maker_.release("1.0.0");
  EXPECT_EQ(maker_.text("root.json"), maker_.text("root/1.json"));
  const Manifest manifest = published();
  EXPECT_EQ(manifest.sequence, 1U);
  EXPECT_EQ(manifest.minimum_version, "0.0.0");
  ASSERT_EQ(manifest.releases.size(), 1U);
  const File& file = manifest.releases[0].files.at(0);
  EXPECT_EQ(file.path, "files/1.0.0/portolan-" + std::string(this_platform()));
  EXPECT_EQ(maker_.text(file.path), program("1.0.0"));
}

TEST_F(PublishTest, KeepsTheOlderOnes) {
  maker_.release("1.0.0");
  maker_.release("1.10.0");
  maker_.release("1.9.1");
  EXPECT_EQ(versions(), (Versions{"1.10.0", "1.9.1", "1.0.0"}));
  EXPECT_EQ(published().sequence, 3U);
  auto plan = maker_.plan("1.11.0");
  plan.keep = 2;
  plan.minimum_version = "1.9.0";
  maker_.release(plan);
  EXPECT_EQ(versions(), (Versions{"1.11.0", "1.10.0"}));
  EXPECT_EQ(published().minimum_version, "1.9.0");
  maker_.release("1.12.0");
  EXPECT_EQ(published().minimum_version, "1.9.0") << "it stays until another is given";
  auto older = maker_.plan("0.9.0");
  older.keep = 3;
  EXPECT_FALSE(plan_release(maker_.tree.path(), older, maker_.now, std::chrono::days(1)));
}

TEST_F(PublishTest, ChangesTheRolloutOfWhatIsPublished) {
  auto plan = maker_.plan("1.0.0");
  plan.rollout = 10;
  plan.notes = "https://example/1";
  maker_.release(plan);
  const std::string hash = published().releases[0].files[0].sha256;
  ReleasePlan wider{.version = "1.0.0", .rollout = 100};
  maker_.release(wider);
  const Release release = published().releases.at(0);
  EXPECT_EQ(release.rollout, 100U);
  EXPECT_EQ(release.files.at(0).sha256, hash);
  EXPECT_EQ(release.notes, "https://example/1");
}

TEST_F(PublishTest, AVersionIsReleasedOnce) {
  maker_.release("1.0.0");
  const auto other =
      plan_release(maker_.tree.path(), maker_.plan("1.0.0", "# other"), maker_.now, std::chrono::days(1));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kConflict);
  EXPECT_THAT(other.error().message, HasSubstr("released once only"));
}

TEST_F(PublishTest, LooksWhatAProgramIs) {
  auto plan = maker_.plan("1.0.0");
  plan.version = "1.0.1";
  const auto wrong = plan_release(maker_.tree.path(), plan, maker_.now, std::chrono::days(1));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("is version 1.0.0, not 1.0.1"));
  plan.programs = {{"linux-x86_64", "/bin/sh"}};
  const auto stranger = plan_release(maker_.tree.path(), plan, maker_.now, std::chrono::days(1));
  ASSERT_FALSE(stranger);
  EXPECT_THAT(stranger.error().message, HasSubstr("no Portolan"));
  plan.programs.clear();
  EXPECT_FALSE(plan_release(maker_.tree.path(), plan, maker_.now, std::chrono::days(1))) << "a release without files";
}

TEST_F(PublishTest, TakesWhatClientsWouldTakeOnly) {
  maker_.release("1.0.0");
  const std::string before = maker_.text("channels/stable.json");
  const Envelope next = maker_.planned(maker_.plan("1.1.0"));
  EXPECT_EQ(said(next), "not_signed");
  EXPECT_EQ(said(signed_by(Kind::kManifest, next, {&maker_.root_key})), "not_signed");
  Envelope altered = signed_by(Kind::kManifest, next, {&maker_.release_key});
  altered.document += " ";
  EXPECT_EQ(said(altered), "bad_signature");
  EXPECT_EQ(said({"{}", {}}), "unknown_format");
  EXPECT_EQ(said({"nonsense", {}}), "invalid");
  const Envelope good = signed_by(Kind::kManifest, next, {&maker_.release_key});
  maker_.now += std::chrono::days(31);
  EXPECT_EQ(said(good), "expired");
  maker_.now -= std::chrono::days(31);
  EXPECT_EQ(maker_.text("channels/stable.json"), before);
  EXPECT_EQ(said(good), "channels/stable.json");
  EXPECT_EQ(said(good), "conflict") << "its sequence is used up";
}

TEST_F(PublishTest, WantsTheFilesThatItNames) {
  const Envelope next = signed_by(Kind::kManifest, maker_.planned(maker_.plan("1.0.0")), {&maker_.release_key});
  const std::string path = "files/1.0.0/portolan-" + std::string(this_platform());
  const std::string content = maker_.text(path);
  maker_.plant(path, content + "x");
  EXPECT_EQ(said(next), "conflict");
  std::filesystem::remove(maker_.tree / path);
  EXPECT_EQ(said(next), "not_found");
  maker_.plant(path, content);
  EXPECT_EQ(said(next), "channels/stable.json");
}

TEST_F(PublishTest, RootsFollowEachOther) {
  const auto other = crypto::Ed25519PrivateKey::generate();
  const auto plan = [&](const KeySet& root) {
    auto envelope =
        plan_root(maker_.tree.path(), {root, keys_of({&maker_.release_key}), maker_.now + std::chrono::days(9)});
    EXPECT_TRUE(envelope);
    return envelope.value_or(Envelope{});
  };
  const Envelope next = plan(keys_of({&other}));
  EXPECT_EQ(said(signed_by(Kind::kRoot, next, {&other})), "not_signed");
  EXPECT_EQ(said(signed_by(Kind::kRoot, next, {&maker_.root_key})), "not_signed");
  const Envelope good = signed_by(Kind::kRoot, next, {&maker_.root_key, &other});
  EXPECT_EQ(said(good), "root/2.json");
  EXPECT_EQ(said(good), "wrong_version");
  EXPECT_EQ(said(signed_by(Kind::kRoot, plan(keys_of({&other})), {&maker_.root_key})), "not_signed")
      << "the key that was replaced signs nothing any more";
  EXPECT_EQ(said(signed_by(Kind::kRoot, plan(keys_of({&other})), {&other})), "root/3.json");
  const auto root = published_root(maker_.tree.path());
  ASSERT_TRUE(root);
  EXPECT_EQ(root->version, 3U);
  EXPECT_TRUE(std::filesystem::exists(maker_.tree / "root/1.json")) << "for those who come from there";
}

TEST(PublishFirst, NeedsARoot) {
  const testing::Folder empty;
  const auto root = published_root(empty.path());
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code, Code::kNotFound);
  EXPECT_THAT(root.error().message, HasSubstr("portolan release root"));
}

}  // namespace
}  // namespace portolan::update
