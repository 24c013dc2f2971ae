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

}  // namespace
}  // namespace portolan::crypto
