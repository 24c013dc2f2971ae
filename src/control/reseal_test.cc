#include "control/reseal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/file.h"
#include "control/authorities.h"
#include "control/leases.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::TestFolder;

// A store with one resource whose password is sealed.
struct Sealed {
  TestFolder folder;
  ServerOptions options{.data = folder.path / "data", .sealing = SealingFile{folder.path / "key"}};
  std::string fingerprint;
  std::string sealed;

  Sealed() {
    const auto opened = open();
    EXPECT_TRUE(opened) << opened.error().message;
    fingerprint = opened->authorities.node.certificate().fingerprint();
    const auto store = store::DirectoryStore::open(options.data / "directory.db");
    directory::Resource resource;
    resource.id = "rs-1";
    resource.name = "db";
    resource.type = "postgres";
    resource.local_port = 15432;
    sealed = resource.sealed_password = opened->sealing.seal(Secret("hunter2"), password_context("rs-1"));
    EXPECT_TRUE((*store)->change("test", [&](store::Change& change) { return change.put(resource); }));
  }

  Result<Opened> open() const {
    PL_CHECK(make_folder(options.data, Privacy::kPrivate));
    PL_TRY(auto store, store::DirectoryStore::open(options.data / "directory.db"));
    return open_authorities(*store, options);
  }
  // The resource's password, by the key that the options name.
  Result<std::string> password() const {
    PL_TRY(const auto opened, open());
    EXPECT_EQ(opened.authorities.node.certificate().fingerprint(), fingerprint);
    PL_TRY(auto store, store::DirectoryStore::open(options.data / "directory.db"));
    const auto snapshot = store->snapshot();
    PL_TRY(const auto plain,
           opened.sealing.open(snapshot->resources.find("rs-1")->second.sealed_password, password_context("rs-1")));
    return plain.reveal();
  }
  // All bytes of the database's files.
  std::string bytes() const {
    std::string all;
    for (const auto& file : std::filesystem::directory_iterator(options.data)) {
      std::ifstream in(file.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }
};

TEST(Reseal, FromEveryKindOfSourceToEveryOther) {
  Sealed sealed;
  const std::vector<SealingSource> way = {SealingPassphrase{Secret("correct horse battery staple")},
                                          SealingText{crypto::SealingKey::generate().text()},
                                          SealingFile{sealed.folder.path / "second"},
                                          SealingPassphrase{Secret("another one")},
                                          SealingPassphrase{Secret("and one more")},
                                          SealingFile{sealed.folder.path / "third"}};
  for (const auto& next : way) {
    const auto before = sealed.options.sealing;
    const auto done = reseal(sealed.options, next);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->values, 5U);  // three authorities, the identity key and a password
    EXPECT_NE(done->old_key, done->new_key);
    // The old key opens nothing.
    const auto refused = sealed.password();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kDenied) << refused.error().message;
    sealed.options.sealing = next;
    const auto password = sealed.password();
    ASSERT_TRUE(password) << password.error().message;
    EXPECT_EQ(*password, "hunter2");
  }
}

// Neither in free pages nor in the log: who has the old key and the file has nothing.
TEST(Reseal, LeavesNothingThatTheOldKeyOpens) {
  Sealed sealed;
  const auto old_id = sealed.open()->sealing.id();
  ASSERT_NE(sealed.bytes().find(sealed.sealed), std::string::npos);
  ASSERT_TRUE(reseal(sealed.options, SealingText{crypto::SealingKey::generate().text()}));
  EXPECT_EQ(sealed.bytes().find(sealed.sealed), std::string::npos);
  EXPECT_EQ(sealed.bytes().find("v1." + old_id + "."), std::string::npos);
}

TEST(Reseal, TheSameKeyIsRefused) {
  Sealed sealed;
  const auto done = reseal(sealed.options, sealed.options.sealing);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kConflict);
  EXPECT_TRUE(sealed.password());
}

TEST(Reseal, TheWrongOldKeyIsRefused) {
  Sealed sealed;
  auto wrong = sealed.options;
  wrong.sealing = SealingText{crypto::SealingKey::generate().text()};
  const auto done = reseal(wrong, SealingFile{sealed.folder.path / "second"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kDenied);
  EXPECT_TRUE(sealed.password());
}

TEST(Reseal, NotBesideARunningControlPlane) {
  Sealed sealed;
  const auto lock = FolderLock::take(sealed.options.data, "server.lock");
  ASSERT_TRUE(lock);
  const auto done = reseal(sealed.options, SealingFile{sealed.folder.path / "second"});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kConflict);
}

// A value that cannot be opened, in the middle of the work: nothing has changed, as after a crash before the commit.
TEST(Reseal, AllOrNothing) {
  Sealed sealed;
  {
    const auto store = store::DirectoryStore::open(sealed.options.data / "directory.db");
    auto broken = (*store)->snapshot()->resources.find("rs-1")->second;
    broken.id = "rs-2";
    broken.name = "other";
    broken.local_port = 15433;
    ASSERT_TRUE((*store)->change("test", [&](store::Change& change) { return change.put(broken); }));
  }
  const auto done = reseal(sealed.options, SealingFile{sealed.folder.path / "second"});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("resource/rs-2/password"), std::string::npos) << done.error().message;
  const auto password = sealed.password();
  ASSERT_TRUE(password) << password.error().message;
  EXPECT_EQ(*password, "hunter2");
}

// Cut short behind the commit: the next start cleans up.
TEST(Reseal, TheNextStartFinishesIt) {
  Sealed sealed;
  const auto store = store::DirectoryStore::open(sealed.options.data / "directory.db");
  ASSERT_TRUE((*store)->set_setting(kSealingScrub, "1"));
  ASSERT_TRUE(
      (*store)->change("test", [&](store::Change& change) { return change.remove<directory::Resource>("rs-1"); }));
  ASSERT_TRUE(scrub_if_due(**store));
  EXPECT_EQ(sealed.bytes().find(sealed.sealed), std::string::npos);
  const auto due = (*store)->setting(kSealingScrub);
  ASSERT_TRUE(due);
  EXPECT_EQ(*due, "");
}

// The form of releases before the rotation of keys: an authority in a setting.
TEST(Reseal, AuthoritiesOfOlderReleasesAreTakenOver) {
  TestFolder folder;
  const ServerOptions options{.data = folder.path / "data", .sealing = SealingFile{folder.path / "key"}};
  ASSERT_TRUE(make_folder(options.data, Privacy::kPrivate));
  const auto key = crypto::SealingKey::from_file(folder.path / "key", crypto::SealingKey::Create::kIfMissing);
  ASSERT_TRUE(key);
  std::map<std::string, std::string> fingerprints;
  {
    const auto store = store::DirectoryStore::open(options.data / "directory.db");
    ASSERT_TRUE((*store)->set_setting("sealing.key_id", key->id()));
    for (const auto& [purpose, profile] : kPurposes) {
      const std::string name(purpose);
      const auto made =
          crypto::Authority::create("portolan " + name + " CA", profile, options.clock.wall(), std::chrono::hours(24));
      const json::Value stored = {{"version", 1},
                                  {"certificate", made.certificate().pem()},
                                  {"sealed_key", key->seal(made.key().pem(), "authority/" + name + "/key")}};
      ASSERT_TRUE((*store)->set_setting("authority." + name, json::print(stored)));
      fingerprints[name] = made.certificate().fingerprint();
    }
    ASSERT_TRUE((*store)->set_setting("organization", "portolan"));
  }
  for (int start = 0; start < 2; ++start) {
    const auto store = store::DirectoryStore::open(options.data / "directory.db");
    const auto opened = open_authorities(**store, options);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_FALSE(opened->first_start);
    for (const auto& [purpose, profile] : kPurposes)
      EXPECT_EQ(opened->authorities.of(purpose).certificate().fingerprint(), fingerprints[std::string(purpose)]);
  }
}

}  // namespace
}  // namespace portolan::control
