#include "crypto/hash.h"

#include <gtest/gtest.h>

namespace portolan::crypto {
namespace {

TEST(Hash, KnownValues) {
  EXPECT_EQ(hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(md5_hex(as_bytes("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(md5_hex({}), "d41d8cd98f00b204e9800998ecf8427e");
  // RFC 4231, case 2.
  EXPECT_EQ(hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  EXPECT_EQ(hex(pbkdf2_sha256("password", as_bytes("salt"), 1)),
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b");
  EXPECT_EQ(hex(pbkdf2_sha256("password", as_bytes("salt"), 4096)),
            "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
  EXPECT_NE(pbkdf2_sha256("", {}, 1), pbkdf2_sha256("a", {}, 1));
}

// RFC 7677 §3: the exchange of user "user" with password "pencil", as a SCRAM client computes its proof.
TEST(Hash, ScramExample) {
  const Bytes salt = *from_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
  const Sha256 salted = pbkdf2_sha256("pencil", salt, 4096);
  const Sha256 client_key = hmac_sha256(salted, as_bytes("Client Key"));
  const Sha256 signature = hmac_sha256(
      sha256(client_key),
      as_bytes("n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
               "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
  Sha256 proof;
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = client_key[i] ^ signature[i];
  EXPECT_EQ(base64(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
}

}  // namespace
}  // namespace portolan::crypto
