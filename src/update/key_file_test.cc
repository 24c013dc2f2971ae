#include "update/key_file.h"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "update/testing.h"

namespace portolan::update {
namespace {

using testing::content_of;
using testing::Folder;

TEST(KeyFile, IsOfItsOwnerAlone) {
  const Folder folder;
  const auto key = crypto::Ed25519PrivateKey::generate();
  ASSERT_TRUE(write_key(folder / "root.key", key, std::nullopt));
  struct stat info{};
  ASSERT_EQ(::stat((folder / "root.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(content_of(folder / "root.key.pub"), key.public_key().pem());
  const auto again = read_key(folder / "root.key", std::nullopt);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->public_key().pem(), key.public_key().pem());
  ASSERT_EQ(::chmod((folder / "root.key").c_str(), 0640), 0);
  const auto read_by_others = read_key(folder / "root.key", std::nullopt);
  ASSERT_FALSE(read_by_others);
  EXPECT_EQ(read_by_others.error().code, Code::kDenied);
}

TEST(KeyFile, IsNeverWrittenOver) {
  const Folder folder;
  const auto key = crypto::Ed25519PrivateKey::generate();
  ASSERT_TRUE(write_key(folder / "a", key, std::nullopt));
  const std::string before = content_of(folder / "a");
  const auto again = write_key(folder / "a", crypto::Ed25519PrivateKey::generate(), std::nullopt);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kConflict);
  EXPECT_EQ(content_of(folder / "a"), before);
  std::filesystem::remove(folder / "a");
  EXPECT_FALSE(write_key(folder / "a", key, std::nullopt)) << "the public half of another key is still there";
}

TEST(KeyFile, CanBeSealed) {
  const Folder folder;
  const auto key = crypto::Ed25519PrivateKey::generate();
  const Secret passphrase("correct horse battery staple");
  ASSERT_TRUE(write_key(folder / "k", key, passphrase));
  EXPECT_EQ(content_of(folder / "k").find("PRIVATE KEY"), std::string::npos);
  const auto opened = read_key(folder / "k", passphrase);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->public_key().pem(), key.public_key().pem());
  const auto without = read_key(folder / "k", std::nullopt);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().reason, kNeedsPassphrase);
  const auto wrong = read_key(folder / "k", Secret("correct horse battery stable"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kDenied);
  const std::string whole = content_of(folder / "k");
  for (const std::size_t length : {std::size_t{30}, std::size_t{46}, whole.size() - 1, whole.size() - 10}) {
    ASSERT_TRUE(write_file(folder / "k", whole.substr(0, length), Privacy::kPrivate));
    EXPECT_FALSE(read_key(folder / "k", passphrase)) << length;
  }
}

TEST(KeyFile, IsOfEd25519) {
  const Folder folder;
  for (const std::string& text :
       {std::string(), std::string("nonsense"), crypto::PrivateKey::generate().pem().reveal()}) {
    ASSERT_TRUE(write_file(folder / "k", text, Privacy::kPrivate));
    EXPECT_FALSE(read_key(folder / "k", std::nullopt));
  }
}

}  // namespace
}  // namespace portolan::update
