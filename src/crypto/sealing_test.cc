#include "crypto/sealing.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include "base/file.h"
#include "base/id.h"

namespace portolan::crypto {
namespace {

constexpr std::string_view kContext = "resource/rs-1/password";

TEST(Sealing, OpensWhatItSealed) {
  const SealingKey key = SealingKey::generate();
  for (const std::string& text :
       {std::string(), std::string("x"), std::string("pass\0word", 9), std::string(100'000, 'a')}) {
    const std::string sealed = key.seal(Secret(text), kContext);
    EXPECT_TRUE(sealed.starts_with("v1." + key.id() + "."));
    const auto opened = key.open(sealed, kContext);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->reveal(), text);
  }
  EXPECT_NE(key.seal(Secret("x"), kContext), key.seal(Secret("x"), kContext)) << "a nonce of its own each time";
  EXPECT_EQ(key.seal(Secret("marker"), kContext).find("marker"), std::string::npos);
}

TEST(Sealing, StaysWithItsObject) {
  const SealingKey key = SealingKey::generate();
  const std::string sealed = key.seal(Secret("x"), kContext);
  for (const std::string_view context :
       {"resource/rs-2/password", "resource/rs-1/passwor", "resource/rs-1/password2", ""})
    EXPECT_EQ(key.open(sealed, context).error().code, Code::kDenied) << context;
}

TEST(Sealing, OpensWithItsKeyOnly) {
  const SealingKey key = SealingKey::generate();
  const SealingKey other = SealingKey::generate();
  const std::string sealed = key.seal(Secret("x"), kContext);
  const auto opened = other.open(sealed, kContext);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kDenied);
  EXPECT_NE(opened.error().message.find("another key"), std::string::npos);
  // Nor when it claims to be the other key's.
  EXPECT_EQ(other.open("v1." + other.id() + sealed.substr(sealed.rfind('.')), kContext).error().code, Code::kDenied);
}

TEST(Sealing, SeesEveryAlteration) {
  const SealingKey key = SealingKey::generate();
  const std::string sealed = key.seal(Secret("password"), kContext);
  for (std::size_t n = 0; n < sealed.size(); ++n) {
    EXPECT_EQ(key.open(sealed.substr(0, n), kContext).error().code, Code::kDenied) << n;
    std::string altered = sealed;
    altered[n] = altered[n] == 'A' ? 'B' : 'A';
    EXPECT_EQ(key.open(altered, kContext).error().code, Code::kDenied) << n;
  }
  for (const std::string& text :
       {sealed + "A", sealed + "AAAA", sealed + "=", sealed + "\n", "v2" + sealed.substr(2), std::string(3 << 20, 'A')})
    EXPECT_EQ(key.open(text, kContext).error().code, Code::kDenied);
}

TEST(Sealing, TextRoundTrips) {
  const SealingKey key = SealingKey::generate();
  const auto read = SealingKey::from_text(key.text());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id(), key.id());
  EXPECT_EQ(read->open(key.seal(Secret("x"), "c"), "c")->reveal(), "x");
  EXPECT_EQ(key.id().size(), 8U);
  for (const std::string& text :
       {std::string(), std::string("short"), key.text().reveal() + "AA", key.text().reveal() + "\n",
        key.text().reveal().substr(1), std::string("?") + key.text().reveal().substr(1)}) {
    const auto bad = SealingKey::from_text(Secret(text));
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, Code::kInvalid);
    EXPECT_TRUE(text.size() < 6 || bad.error().message.find(text.substr(1, 5)) == std::string::npos)
        << "the message shows the key";
  }
}

TEST(Sealing, PassphraseGivesTheSameKeyWithTheSameSalt) {
  const Secret passphrase("a long passphrase");
  const auto key = SealingKey::from_passphrase(passphrase, as_bytes("0123456789abcdef"));
  ASSERT_TRUE(key);
  EXPECT_EQ(SealingKey::from_passphrase(passphrase, as_bytes("0123456789abcdef"))->id(), key->id());
  EXPECT_NE(SealingKey::from_passphrase(passphrase, as_bytes("0123456789abcdeg"))->id(), key->id());
  EXPECT_NE(SealingKey::from_passphrase(Secret("another"), as_bytes("0123456789abcdef"))->id(), key->id());
  EXPECT_EQ(SealingKey::from_passphrase(passphrase, as_bytes("short")).error().code, Code::kInvalid);
  EXPECT_EQ(SealingKey::from_passphrase(Secret(), as_bytes("0123456789abcdef")).error().code, Code::kInvalid);
}

class SealingFile : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(make_folder(folder_, Privacy::kPrivate)); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("portolan-" + make_token(6));
  std::filesystem::path path_ = folder_ / "sealing.key";
};

TEST_F(SealingFile, IsMadeOnceAndPrivate) {
  EXPECT_EQ(SealingKey::from_file(path_, SealingKey::Create::kNo).error().code, Code::kNotFound);
  const auto made = SealingKey::from_file(path_, SealingKey::Create::kIfMissing);
  ASSERT_TRUE(made) << made.error().message;
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(SealingKey::from_file(path_, SealingKey::Create::kIfMissing)->id(), made->id());
  EXPECT_EQ(SealingKey::from_file(path_, SealingKey::Create::kNo)->id(), made->id());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "something was left beside the key";
}

TEST_F(SealingFile, RefusesAFileThatOthersCanRead) {
  ASSERT_TRUE(SealingKey::from_file(path_, SealingKey::Create::kIfMissing));
  for (const mode_t mode : {0640, 0604, 0660, 0644}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    const auto read = SealingKey::from_file(path_, SealingKey::Create::kIfMissing);
    ASSERT_FALSE(read) << mode;
    EXPECT_EQ(read.error().code, Code::kDenied);
    EXPECT_NE(read.error().message.find("chmod 600"), std::string::npos) << read.error().message;
  }
}

TEST_F(SealingFile, NeverReplacesADamagedKey) {
  ASSERT_TRUE(write_file(path_, "", Privacy::kPrivate));
  EXPECT_EQ(SealingKey::from_file(path_, SealingKey::Create::kIfMissing).error().code, Code::kInvalid);
  ASSERT_TRUE(write_file(path_, std::string(2000, 'A'), Privacy::kPrivate));
  EXPECT_EQ(SealingKey::from_file(path_, SealingKey::Create::kIfMissing).error().code, Code::kLimit);
  EXPECT_EQ(read_private_file(path_)->size(), 2000U);
}

}  // namespace
}  // namespace portolan::crypto
