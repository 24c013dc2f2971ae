#include "control/authorities.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using testing::TestFolder;

struct Opening {
  TestFolder folder;
  ServerOptions options{.data = folder.path / "data", .sealing = SealingFile{folder.path / "key"}};

  Result<Opened> open() const {
    PL_CHECK(make_folder(options.data, Privacy::kPrivate));
    PL_TRY(auto store, store::DirectoryStore::open(options.data / "directory.db"));
    return open_authorities(*store, options);
  }
};

TEST(Authorities, AreMadeOnceAndOpenedAgain) {
  Opening opening;
  const auto first = opening.open();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->first_start);
  EXPECT_EQ(first->authorities.organization, "portolan");
  EXPECT_EQ(first->authorities.control_name, "control.portolan.portolan.internal");
  const auto again = opening.open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->first_start);
  EXPECT_EQ(again->authorities.user.certificate().fingerprint(), first->authorities.user.certificate().fingerprint());
  EXPECT_EQ(again->authorities.node.certificate().fingerprint(), first->authorities.node.certificate().fingerprint());
  EXPECT_EQ(again->authorities.server.certificate().fingerprint(),
            first->authorities.server.certificate().fingerprint());
  EXPECT_NE(first->authorities.user.certificate().fingerprint(), first->authorities.node.certificate().fingerprint());
}

TEST(Authorities, AnotherSealingKeyIsRefusedByName) {
  Opening opening;
  const auto first = opening.open();
  ASSERT_TRUE(first) << first.error().message;
  opening.options.sealing = SealingText{crypto::SealingKey::generate().text()};
  const auto other = opening.open();
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kDenied);
  EXPECT_NE(other.error().message.find("wrong sealing key"), std::string::npos) << other.error().message;
  EXPECT_NE(other.error().message.find(first->sealing.id()), std::string::npos) << other.error().message;
}

TEST(Authorities, AMissingKeyFileIsNotMadeAnew) {
  Opening opening;
  ASSERT_TRUE(opening.open());
  std::filesystem::remove(opening.folder.path / "key");
  EXPECT_FALSE(opening.open());
  EXPECT_FALSE(std::filesystem::exists(opening.folder.path / "key"));
}

TEST(Authorities, AKeyBesideTheDataNeedsPermission) {
  Opening opening;
  opening.options.sealing = SealingFile{opening.options.data / "deep" / ".." / "key"};
  const auto refused = opening.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalid);
  opening.options.sealing = SealingFile{opening.options.data / "key"};
  opening.options.key_beside_data = KeyBesideData::kAllow;
  const auto allowed = opening.open();
  EXPECT_TRUE(allowed) << allowed.error().message;
}

TEST(Authorities, PassphraseOpensItsOwnDataOnly) {
  Opening opening;
  opening.options.sealing = SealingPassphrase{Secret("a long enough passphrase")};
  ASSERT_TRUE(opening.open());
  EXPECT_TRUE(opening.open());
  opening.options.sealing = SealingPassphrase{Secret("another long passphrase")};
  const auto wrong = opening.open();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kDenied);
}

TEST(Authorities, TheOrganizationStays) {
  Opening opening;
  opening.options.organization = "acme";
  ASSERT_TRUE(opening.open());
  opening.options.organization = "other";
  const auto other = opening.open();
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kConflict);
  opening.options.organization = "";
  const auto stored = opening.open();
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->authorities.organization, "acme");
}

TEST(Authorities, OrganizationNames) {
  for (const char* good : {"portolan", "acme.example", "a-b", "1"}) EXPECT_TRUE(check_organization(good)) << good;
  for (const char* bad : {"", "Acme", "a b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a/b", "ä",
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
    EXPECT_FALSE(check_organization(bad)) << bad;
}

}  // namespace
}  // namespace portolan::control
