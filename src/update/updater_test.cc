// The whole way against a server that an attacker has: what he can make an installation do is nothing.
#include "update/updater.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "update/testing.h"

namespace portolan::update {
namespace {

using namespace std::chrono_literals;
using testing::content_of;
using testing::Folder;
using ::testing::HasSubstr;
using testing::keys_of;
using testing::Maker;
using testing::program;
using testing::Server;
using testing::signed_by;
using testing::write_program;

// An installation of 1.0.0, the maker of its releases, and what lies between.
struct Scene {
  explicit Scene(const net::Executor& executor) : maker(clock.wall()), server(executor, maker.tree.path()) {
    anchor = maker.anchor();
    write_program(place.program, program("1.0.0"));
  }
  UpdaterOptions options() const {
    UpdaterOptions out{
        .anchor = anchor, .state_folder = home / "state", .place = place, .version = *Version::parse(version)};
    out.limits = {.stall = 5s, .total = 8s, .attempts = 2, .pause = 1ms};
    return out;
  }
  net::Task<Result<Found>> check(UpdaterOptions with) {
    const auto source = server.source();
    CO_TRY(const auto updater, Updater::open(std::move(with), *source, clock));
    auto found = co_await updater->check();
    co_return found;
  }
  // "update 1.2.0", "current", or the stable code of what went wrong.
  net::Task<std::string> found() {
    const auto done = co_await check(options());
    if (!done) co_return std::string(done.error().stable_code());
    co_return word(*done);
  }
  static std::string word(const Found& found) {
    const std::string version = found.version ? " " + found.version->text() : "";
    switch (found.verdict) {
      case Verdict::kCurrent: return "current";
      case Verdict::kUpdate: return "update" + version;
      case Verdict::kWaits: return "waits" + version;
      case Verdict::kFailedBefore: return "failed" + version;
      case Verdict::kPinnedAway: return "pinned away";
    }
    return "";
  }
  // Checks, fetches and installs; "installed", or the stable code of what went wrong.
  net::Task<std::string> update() {
    const auto source = server.source();
    auto updater = Updater::open(options(), *source, clock);
    if (!updater) co_return std::string(updater.error().stable_code());
    auto what = co_await (*updater)->check();
    if (!what) co_return std::string(what.error().stable_code());
    if (what->verdict != Verdict::kUpdate) co_return word(*what);
    const std::string to = what->version->text();
    const auto fetched = co_await (*updater)->fetch(*what, {});
    if (!fetched) co_return std::string(fetched.error().stable_code());
    const auto done = (*updater)->install(*what, after);
    if (!done) co_return std::string(done.error().stable_code());
    version = to;
    co_return "installed";
  }
  // A new installation, which has seen nothing yet.
  void forget() const { std::filesystem::remove_all(home / "state"); }
  std::string installed() const { return content_of(place.program); }
  State state() const {
    const auto loaded = load_state(home / "state/update.json");
    EXPECT_TRUE(loaded);
    return loaded.value_or(State{});
  }

  FakeClock clock;
  Maker maker;
  Folder home;
  Server server;
  Place place{home / "portolan", 10s};
  std::string version = "1.0.0";
  KeySet anchor;
  Updater::After after = Updater::After::kNothing;
};

CO_TEST(Updater, UpdatesStepByStep) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.0.0");
  std::string said = co_await scene.update();
  EXPECT_EQ(said, "current");
  scene.maker.release("1.1.0");
  said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  EXPECT_EQ(scene.installed(), program("1.1.0"));
  EXPECT_EQ(scene.state().previous, "1.0.0");
  said = co_await scene.update();
  EXPECT_EQ(said, "current");
  scene.maker.release("1.2.0");
  scene.maker.release("1.3.0");
  said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  EXPECT_EQ(scene.installed(), program("1.3.0"));
  EXPECT_EQ(content_of(previous_of(scene.place)), program("1.1.0"));
  co_await scene.server.stop();
}

CO_TEST(Updater, AnotherMakersReleasesAreNotTaken) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  scene.anchor = keys_of({&scene.maker.release_key});
  const std::string said = co_await scene.found();
  EXPECT_EQ(said, "not_signed");
  co_await scene.server.stop();
}

CO_TEST(Updater, WhatWasAlteredOrCutIsNotTaken) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  for (const std::string path : {"channels/stable.json", "root/1.json"}) {
    const std::string good = scene.maker.text(path);
    // One bit in every part of it, and cut off everywhere; in steps, since each is a whole check.
    for (std::size_t at = 0; at < good.size(); at += 127) {
      std::string altered = good;
      altered[at] = static_cast<char>(altered[at] ^ 4);
      scene.maker.plant(path, altered);
      scene.forget();
      const std::string said = co_await scene.found();
      EXPECT_FALSE(said.starts_with("update") || said == "current") << path << " " << at;
      scene.maker.plant(path, good.substr(0, at));
      scene.forget();
      const std::string cut = co_await scene.found();
      EXPECT_FALSE(cut.starts_with("update") || cut == "current") << path << " " << at;
    }
    scene.maker.plant(path, good);
  }
  const std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.1.0");
  co_await scene.server.stop();
}

// Rollback and freeze attacks: the server gives out what was good once.
CO_TEST(Updater, OldOnesAreNotTaken) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  const std::string old = scene.maker.text("channels/stable.json");
  scene.maker.release("1.2.0");
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  scene.maker.plant("channels/stable.json", old);
  said = co_await scene.found();
  EXPECT_EQ(said, "rollback");
  EXPECT_EQ(scene.state().channels.at("stable").sequence, 2U);
  co_await scene.server.stop();
}

CO_TEST(Updater, TwoOfOneNumberAreNotTaken) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.1.0");
  auto manifest = *published_manifest(scene.maker.tree.path(), "stable");
  manifest->minimum_version = "1.0.5";
  const Envelope other = signed_by(Kind::kManifest, {json::encode(*manifest), {}}, {&scene.maker.release_key});
  scene.maker.plant("channels/stable.json", encode_envelope(other));
  said = co_await scene.found();
  EXPECT_EQ(said, "equivocation");
  co_await scene.server.stop();
}

CO_TEST(Updater, WhatHasExpiredIsNotTaken) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  scene.clock.jump_wall(std::chrono::days(31));
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "expired");
  // A new one is taken, also by a clock that was set back: what was seen says that it is later than that.
  scene.maker.now += std::chrono::days(40);
  scene.clock.jump_wall(std::chrono::days(9));
  scene.maker.release("1.2.0");
  said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  scene.clock.jump_wall(-std::chrono::days(40));
  said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  scene.clock.jump_wall(std::chrono::days(40) + std::chrono::days(400));
  said = co_await scene.found();
  EXPECT_EQ(said, "expired") << "the root document, too";
  co_await scene.server.stop();
}

CO_TEST(Updater, OneChannelIsNotShownForAnother) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  auto beta = scene.maker.plan("1.2.0-rc.1");
  beta.channel = "beta";
  scene.maker.release(beta);
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.1.0");
  scene.maker.plant("channels/stable.json", scene.maker.text("channels/beta.json"));
  said = co_await scene.found();
  EXPECT_EQ(said, "wrong_channel");
  std::filesystem::remove(scene.maker.tree / "channels/stable.json");
  said = co_await scene.found();
  EXPECT_EQ(said, "not_found");
  co_await scene.server.stop();
}

CO_TEST(Updater, FollowsTheKeys) {
  Scene scene(co_await net::this_executor());
  auto& maker = scene.maker;
  maker.release("1.1.0");
  const std::string with_old_key = maker.text("channels/stable.json");
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.1.0");
  // First the release key is replaced, then the root key.
  const auto new_release = crypto::Ed25519PrivateKey::generate();
  const auto new_root = crypto::Ed25519PrivateKey::generate();
  maker.publish_root({&maker.root_key}, {&new_release}, {&maker.root_key});
  maker.publish_root({&new_root}, {&new_release}, {&maker.root_key, &new_root});
  said = co_await scene.found();
  EXPECT_EQ(said, "not_signed") << "what the old release key has signed counts no more";
  maker.put(signed_by(Kind::kManifest, maker.planned(maker.plan("1.2.0")), {&new_release}));
  said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  // One who has slept through all of it comes as far, and so does a program that was built with the new key.
  scene.forget();
  said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  scene.forget();
  scene.anchor = keys_of({&new_root});
  said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  // Nobody is led back: the new documents are withheld, and the old manifest is there.
  std::filesystem::remove(maker.tree / "root/2.json");
  std::filesystem::remove(maker.tree / "root/3.json");
  maker.plant("channels/stable.json", with_old_key);
  said = co_await scene.found();
  EXPECT_EQ(said, "not_signed");
  co_await scene.server.stop();
}

CO_TEST(Updater, AnUpdateOfTheTrustAnchorForgetsNothing) {
  Scene scene(co_await net::this_executor());
  auto& maker = scene.maker;
  maker.release("1.1.0");
  const std::string old = maker.text("channels/stable.json");
  maker.release("1.2.0");
  const auto new_root = crypto::Ed25519PrivateKey::generate();
  maker.publish_root({&maker.root_key, &new_root}, {&maker.release_key}, {&maker.root_key});
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  scene.anchor = keys_of({&new_root});
  maker.plant("channels/stable.json", old);
  said = co_await scene.found();
  EXPECT_EQ(said, "rollback");
  co_await scene.server.stop();
}

CO_TEST(Updater, AnotherMakerBeginsAnew) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  scene.maker.release("1.2.0");
  std::string said = co_await scene.found();
  EXPECT_EQ(said, "update 1.2.0");
  Maker other(scene.clock.wall());
  other.release("1.1.5");
  Server elsewhere(co_await net::this_executor(), other.tree.path());
  const auto source = elsewhere.source();
  auto with = scene.options();
  with.anchor = other.anchor();
  {
    const auto updater = Updater::open(with, *source, scene.clock);
    CO_ASSERT_OK(updater);
    const auto found = co_await (*updater)->check();
    CO_ASSERT_OK(found);
    EXPECT_EQ(Scene::word(*found), "update 1.1.5");
  }
  co_await elsewhere.stop();
  co_await scene.server.stop();
}

CO_TEST(Updater, AnotherFileIsNotInstalled) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  const std::string path = "files/1.1.0/portolan-" + std::string(this_platform());
  std::string altered = scene.maker.text(path);
  altered[20] ^= 1;
  scene.maker.plant(path, altered);
  std::string said = co_await scene.update();
  EXPECT_EQ(said, "wrong_hash");
  scene.maker.plant(path, program("1.1.0", "# longer"));
  said = co_await scene.update();
  EXPECT_EQ(said, "wrong_size");
  std::filesystem::remove(scene.maker.tree / path);
  said = co_await scene.update();
  EXPECT_EQ(said, "not_found");
  EXPECT_EQ(scene.installed(), program("1.0.0"));
  co_await scene.server.stop();
}

CO_TEST(Updater, WhatDoesNotStartIsTriedOnce) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0", "exit 1");
  std::string said = co_await scene.update();
  EXPECT_EQ(said, "does_not_start");
  EXPECT_EQ(scene.installed(), program("1.0.0"));
  EXPECT_THAT(scene.state().failed.at("1.1.0"), HasSubstr("status 1"));
  said = co_await scene.update();
  EXPECT_EQ(said, "failed 1.1.0");
  auto with = scene.options();
  with.retry_failed = true;
  const auto again = co_await scene.check(with);
  CO_ASSERT_OK(again);
  EXPECT_EQ(Scene::word(*again), "update 1.1.0");
  scene.maker.release("1.1.1");
  said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  co_await scene.server.stop();
}

CO_TEST(Updater, GoesBackAndStaysThere) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  std::string said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  {
    const auto source = scene.server.source();
    const auto updater = Updater::open(scene.options(), *source, scene.clock);
    CO_ASSERT_OK(updater);
    const auto back = (*updater)->go_back();
    CO_ASSERT_OK(back);
    EXPECT_EQ(*back, "1.0.0");
  }
  EXPECT_EQ(scene.installed(), program("1.0.0"));
  scene.version = "1.0.0";
  said = co_await scene.update();
  EXPECT_EQ(said, "failed 1.1.0") << "it does not come back by itself";
  scene.maker.release("1.2.0");
  said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  co_await scene.server.stop();
}

CO_TEST(Updater, WhatWasAlteredAfterItsDownloadIsNotInstalled) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  const auto source = scene.server.source();
  const auto updater = Updater::open(scene.options(), *source, scene.clock);
  CO_ASSERT_OK(updater);
  const auto found = co_await (*updater)->check();
  CO_ASSERT_OK(found);
  CO_ASSERT_TRUE(found->version.has_value());
  const auto part = part_of(scene.place, *found->version);
  for (const std::string& text : {program("1.1.0", "true"), program("1.1.0").substr(0, 20), program("1.1.0") + "x"}) {
    const auto fetched = co_await (*updater)->fetch(*found, {});
    CO_ASSERT_OK(fetched);
    CO_ASSERT_OK(write_file(part, text, Privacy::kPrivate));
    const auto done = (*updater)->install(*found, Updater::After::kNothing);
    CO_ASSERT_ERROR(done, Code::kDenied);
    EXPECT_EQ(done.error().reason, "wrong_hash");
    EXPECT_EQ(scene.installed(), program("1.0.0"));
  }
  std::filesystem::remove(part);
  const auto gone = (*updater)->install(*found, Updater::After::kNothing);
  EXPECT_FALSE(gone);
  co_await scene.server.stop();
}

CO_TEST(Updater, ATrialIsNotedWhereOneIsWanted) {
  Scene scene(co_await net::this_executor());
  scene.maker.release("1.1.0");
  std::string said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  EXPECT_FALSE(scene.state().trial);
  scene.maker.release("1.2.0");
  scene.after = Updater::After::kTrial;
  said = co_await scene.update();
  EXPECT_EQ(said, "installed");
  const State state = scene.state();
  CO_ASSERT_TRUE(state.trial.has_value());
  EXPECT_EQ(state.trial->version, "1.2.0");
  EXPECT_EQ(state.trial->starts, 0U);
  co_await scene.server.stop();
}

CO_TEST(Updater, WorksAlone) {
  Scene scene(co_await net::this_executor());
  const auto source = scene.server.source();
  const auto one = Updater::open(scene.options(), *source, scene.clock);
  CO_ASSERT_OK(one);
  const auto two = Updater::open(scene.options(), *source, scene.clock);
  CO_ASSERT_ERROR(two, Code::kConflict);
  co_await scene.server.stop();
}

CO_TEST(Updater, SaysThatTheServerIsNoneOfThese) {
  Scene scene(co_await net::this_executor());
  std::filesystem::remove_all(scene.maker.tree / "root");
  const auto done = co_await scene.check(scene.options());
  CO_ASSERT_ERROR(done, Code::kNotFound);
  EXPECT_THAT(done.error().message, HasSubstr("downloads.example has no root document"));
  co_await scene.server.stop();
}

}  // namespace
}  // namespace portolan::update
