#include "crypto/ed25519.h"

#include <gtest/gtest.h>

namespace portolan::crypto {
namespace {

// RFC 8032 §7.1, test 2: the key, the message 0x72, its signature.
constexpr std::string_view kPem =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC "
    "KEY-----\n";
constexpr std::string_view kSignature =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

Bytes from_hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

TEST(Ed25519, VerifiesTheStandardsVector) {
  const auto key = Ed25519PublicKey::from_pem(kPem);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->pem(), kPem);
  Bytes signature = from_hex(kSignature);
  EXPECT_TRUE(key->verify(as_bytes("r"), signature));
  EXPECT_FALSE(key->verify(as_bytes("s"), signature));
  EXPECT_FALSE(key->verify(as_bytes(""), signature));
  signature[5] ^= std::byte{1};
  EXPECT_FALSE(key->verify(as_bytes("r"), signature));
  signature.pop_back();
  EXPECT_FALSE(key->verify(as_bytes("r"), signature));
}

TEST(Ed25519, RefusesOtherKeys) {
  for (const char* pem :
       {"", "nonsense", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC "
        "KEY-----\n"})
    EXPECT_FALSE(Ed25519PublicKey::from_pem(pem)) << pem;
}

TEST(Ed25519, SignsTheStandardsVector) {
  // The secret of RFC 8032 §7.1, test 2, in the form of RFC 8410 §7.
  const Secret pem(
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
      "-----END PRIVATE KEY-----\n");
  const auto key = Ed25519PrivateKey::from_pem(pem);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->public_key().pem(), kPem);
  EXPECT_EQ(hex(key->sign(as_bytes("r"))), kSignature);
  EXPECT_EQ(key->pem().reveal(), pem.reveal());
}

TEST(Ed25519, MakesKeysThatFitTogether) {
  const auto key = Ed25519PrivateKey::generate();
  const auto other = Ed25519PrivateKey::generate();
  const Bytes signature = key.sign(as_bytes("release"));
  EXPECT_TRUE(key.public_key().verify(as_bytes("release"), signature));
  EXPECT_FALSE(key.public_key().verify(as_bytes("Release"), signature));
  EXPECT_FALSE(other.public_key().verify(as_bytes("release"), signature));
  const auto again = Ed25519PrivateKey::from_pem(key.pem());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->public_key().pem(), key.public_key().pem());
  const auto raw = Ed25519PublicKey::from_raw(key.public_key().raw());
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_EQ(raw->pem(), key.public_key().pem());
}

TEST(Ed25519, RefusesPrivateKeysOfOtherKinds) {
  EXPECT_FALSE(Ed25519PrivateKey::from_pem(PrivateKey::generate().pem()));
  EXPECT_FALSE(Ed25519PrivateKey::from_pem(Secret("nonsense")));
  EXPECT_FALSE(Ed25519PublicKey::from_raw(Bytes(31)));
  EXPECT_FALSE(Ed25519PublicKey::from_raw(Bytes(33)));
}

}  // namespace
}  // namespace portolan::crypto
