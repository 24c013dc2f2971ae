#include "crypto/jwk.h"

#include <gtest/gtest.h>

#include <openssl/err.h>

namespace portolan::crypto {
namespace {

// The key of RFC 7515, appendix A.3.1, in our spelling.
constexpr std::string_view kPrivate = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----
)";
constexpr std::string_view kX = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
constexpr std::string_view kY = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
// Its example: what is signed, and a signature that somebody else's library has made.
constexpr std::string_view kSigned =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
constexpr std::string_view kSignature =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

PrivateKey known_key() { return *PrivateKey::from_pem(Secret(std::string(kPrivate))); }

TEST(Jwk, CoordinatesAreThoseOfTheRfc) {
  const auto point = jwk_point(known_key().public_key());
  EXPECT_EQ(point.x, kX);
  EXPECT_EQ(point.y, kY);
}

// By RFC 7638 over the same key, worked out by hand (SHA-256 of the JSON, base64url).
TEST(Jwk, TheThumbprintIsOfTheRequiredMembersAlone) {
  EXPECT_EQ(jwk_thumbprint(jwk_point(known_key().public_key())), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
  EXPECT_NE(jwk_thumbprint(jwk_point(PrivateKey::generate().public_key())),
            jwk_thumbprint(jwk_point(PrivateKey::generate().public_key())));
}

TEST(Es256, TheSignatureOfTheRfcIsGood) {
  const auto signature = from_base64url(kSignature);
  ASSERT_TRUE(signature);
  EXPECT_TRUE(verify_es256(known_key().public_key(), as_bytes(kSigned), *signature));
  EXPECT_FALSE(verify_es256(known_key().public_key(), as_bytes("another"), *signature));
  EXPECT_FALSE(verify_es256(PrivateKey::generate().public_key(), as_bytes(kSigned), *signature));
}

// Numbers with leading zeros are as long as any: one signature in 128 has one.
TEST(Es256, AlwaysHas64Bytes) {
  const auto key = PrivateKey::generate();
  for (int i = 0; i < 600; ++i) {
    const std::string message = std::to_string(i);
    const Bytes signature = sign_es256(key, as_bytes(message));
    ASSERT_EQ(signature.size(), 64U);
    ASSERT_TRUE(verify_es256(key.public_key(), as_bytes(message), signature)) << i;
  }
}

TEST(Es256, WhatIsAlteredOrOfAnotherFormIsRefused) {
  const auto key = PrivateKey::generate();
  const Bytes signature = sign_es256(key, as_bytes("message"));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    Bytes altered = signature;
    altered[i] ^= std::byte{1};
    EXPECT_FALSE(verify_es256(key.public_key(), as_bytes("message"), altered)) << i;
  }
  EXPECT_FALSE(verify_es256(key.public_key(), as_bytes("message"), {}));
  EXPECT_FALSE(verify_es256(key.public_key(), as_bytes("message"), Bytes(64))) << "zeros";
  EXPECT_FALSE(verify_es256(key.public_key(), as_bytes("message"), key.sign(as_bytes("message")))) << "DER";
  Bytes longer = signature;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(verify_es256(key.public_key(), as_bytes("message"), longer));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

}  // namespace
}  // namespace portolan::crypto
