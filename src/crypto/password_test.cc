#include "crypto/password.h"

#include <gtest/gtest.h>

namespace portolan::crypto {
namespace {

TEST(Password, HashesAndVerifies) {
  const Secret password("correct horse");
  const auto hash = hash_password(password);
  ASSERT_TRUE(hash);
  EXPECT_TRUE(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *hash;
  EXPECT_TRUE(verify_password(*hash, password));
  EXPECT_FALSE(verify_password(*hash, Secret("correct horsf")));
  EXPECT_FALSE(verify_password(*hash, Secret("correct hors")));
  EXPECT_FALSE(verify_password(*hash, Secret()));
  EXPECT_NE(*hash, *hash_password(password)) << "salted";
}

TEST(Password, KnownValue) {
  const std::string hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  EXPECT_TRUE(verify_password(hash, Secret("password")));
  EXPECT_FALSE(verify_password(hash, Secret("Password")));
}

TEST(Password, RefusesWhatItCannotHash) {
  EXPECT_EQ(hash_password(Secret()).error().code, Code::kInvalid);
  EXPECT_EQ(hash_password(Secret(std::string(1025, 'a'))).error().code, Code::kInvalid);
  const std::string with_zero("a\0b", 3);
  const auto hash = hash_password(Secret(with_zero));
  EXPECT_TRUE(verify_password(*hash, Secret(with_zero)));
  EXPECT_FALSE(verify_password(*hash, Secret("a")));
}

TEST(Password, UnreadableHashesAreFalse) {
  const std::string good = *hash_password(Secret("x"));
  const std::string tail = good.substr(good.find('$', good.find("p=")));
  const std::string table[] = {
      "",
      "x",
      "$",
      good.substr(1),
      good.substr(0, good.size() / 2),
      good.substr(0, good.size() - 1),
      good + "A",
      good + std::string(300, 'A'),
      std::string(good) + '\0',
      "$argon2i$v=19$m=19456,t=2,p=1" + tail,
      "$argon2id$v=19$m=4294967295,t=2,p=1" + tail,
      "$argon2id$v=19$m=99999999999,t=2,p=1" + tail,
      "$argon2id$v=19$m=19456,t=4000000000,p=1" + tail,
      "$argon2id$v=19$m=19456,t=2,p=1000" + tail,
      "$argon2id$v=19$m=-1,t=2,p=1" + tail,
      "$argon2id$v=19$m=0,t=0,p=0" + tail,
      "$argon2id$v=19$m=19456,t=3,p=1" + tail,
  };
  for (const std::string& hash : table) EXPECT_FALSE(verify_password(hash, Secret("x"))) << hash;
  EXPECT_TRUE(verify_password(good, Secret("x")));
}

}  // namespace
}  // namespace portolan::crypto
