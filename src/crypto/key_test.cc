#include "crypto/key.h"

#include <gtest/gtest.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

std::shared_ptr<EVP_PKEY> share(EVP_PKEY* key) { return {key, EVP_PKEY_free}; }

// Another form of a P-256 key, as OpenSSL writes it.
Bytes with_parameter(const char* name, const char* value) {
  const PrivateKey key = PrivateKey::generate();
  EXPECT_EQ(EVP_PKEY_set_utf8_string_param(key.native(), name, value), 1);
  return PublicKey(std::shared_ptr<EVP_PKEY>(key.native(), [](EVP_PKEY*) {})).der();
}

std::string text_of(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(size)};
}

TEST(Key, SignsAndVerifies) {
  const PrivateKey key = PrivateKey::generate();
  const Bytes signature = key.sign(as_bytes("message"));
  EXPECT_TRUE(key.public_key().verify(as_bytes("message"), signature));
  EXPECT_FALSE(key.public_key().verify(as_bytes("messagf"), signature));
  EXPECT_FALSE(PrivateKey::generate().public_key().verify(as_bytes("message"), signature));
  EXPECT_FALSE(key.public_key().verify(as_bytes("message"), {}));
  EXPECT_TRUE(key.public_key().verify({}, key.sign({})));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    Bytes altered = signature;
    altered[i] ^= std::byte{1};
    EXPECT_FALSE(key.public_key().verify(as_bytes("message"), altered)) << i;
  }
  Bytes longer = signature;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(key.public_key().verify(as_bytes("message"), longer));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Key, RoundTrips) {
  const PrivateKey key = PrivateKey::generate();
  const PublicKey open = key.public_key();
  EXPECT_EQ(open.der().size(), 91U);
  EXPECT_EQ(*PublicKey::from_der(open.der()), open);
  EXPECT_EQ(*PublicKey::from_pem(open.pem()), open);
  const auto read = PrivateKey::from_pem(key.pem());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->public_key(), open);
  EXPECT_TRUE(open.verify(as_bytes("x"), read->sign(as_bytes("x"))));
  EXPECT_NE(PrivateKey::generate().public_key(), open);
}

TEST(Key, PublicHalfHoldsNoPrivateOne) {
  const PublicKey open = PrivateKey::generate().public_key();
  BIGNUM* secret = nullptr;
  EXPECT_NE(EVP_PKEY_get_bn_param(open.native(), OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
  ERR_clear_error();
}

TEST(Key, TakesOnlyP256InOneSpelling) {
  const Bytes good = PrivateKey::generate().public_key().der();
  Bytes longer = good;
  longer.push_back(std::byte{0});
  Bytes off_curve = good;
  off_curve.back() ^= std::byte{1};
  Bytes infinity = good;
  std::fill(infinity.begin() + 27, infinity.end(), std::byte{0});
  const std::vector<std::pair<const char*, Bytes>> table = {
      {"empty", {}},
      {"longer", longer},
      {"off the curve", off_curve},
      {"zero point", infinity},
      {"truncated", Bytes(good.begin(), good.end() - 1)},
      {"P-384", PublicKey(share(EVP_EC_gen("P-384"))).der()},
      {"secp256k1", PublicKey(share(EVP_EC_gen("secp256k1"))).der()},
      {"RSA", PublicKey(share(EVP_RSA_gen(2048))).der()},
      {"Ed25519", PublicKey(share(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))).der()},
      {"explicit parameters", with_parameter(OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT)},
      {"compressed point",
       with_parameter(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED)},
  };
  for (const auto& [what, der] : table) {
    const auto read = PublicKey::from_der(der);
    ASSERT_FALSE(read) << what;
    EXPECT_EQ(read.error().code, Code::kInvalid) << what;
  }
  EXPECT_GT(table[9].second.size(), 91U);
  EXPECT_LT(table[10].second.size(), 91U);
  EXPECT_EQ(ERR_peek_error(), 0U) << "an error was left for the next TLS operation";
}

TEST(Key, RefusesBrokenPublicPem) {
  const std::string good = PrivateKey::generate().public_key().pem();
  for (const std::string& text : {std::string(), std::string("x"), good.substr(0, good.size() / 2),
                                  std::string(3 << 20, 'a'), std::string(PrivateKey::generate().pem().reveal())})
    EXPECT_FALSE(PublicKey::from_pem(text));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Key, VerifyRefusesForeignKinds) {
  // Such a key can come from a certificate; an RSA signature is none of ours.
  const PublicKey rsa(share(EVP_RSA_gen(2048)));
  const Bytes signature = PrivateKey(share(EVP_PKEY_dup(rsa.native()))).sign(as_bytes("x"));
  EXPECT_FALSE(rsa.verify(as_bytes("x"), signature));
  EXPECT_FALSE(PublicKey(nullptr).verify(as_bytes("x"), signature));
  EXPECT_TRUE(PublicKey(nullptr).der().empty());
}

TEST(Key, RefusesOtherPrivateForms) {
  const PrivateKey key = PrivateKey::generate();
  const OwnedBio traditional(BIO_new(BIO_s_mem()));
  ASSERT_EQ(
      PEM_write_bio_PrivateKey_traditional(traditional.get(), key.native(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  const OwnedBio encrypted(BIO_new(BIO_s_mem()));
  ASSERT_EQ(
      PEM_write_bio_PKCS8PrivateKey(encrypted.get(), key.native(), EVP_aes_256_cbc(), "secret", 6, nullptr, nullptr),
      1);
  const std::string good = key.pem().reveal();
  for (const std::string& text :
       {text_of(traditional.get()), text_of(encrypted.get()), PrivateKey(share(EVP_EC_gen("P-384"))).pem().reveal(),
        PrivateKey(share(EVP_RSA_gen(2048))).pem().reveal(), good.substr(0, 60), std::string(),
        key.public_key().pem()}) {
    const auto read = PrivateKey::from_pem(Secret(text));
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Code::kInvalid);
    EXPECT_EQ(read.error().message.find("MI"), std::string::npos) << read.error().message;
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

// Keys for certificates that others have issued come in every form that is in use.
TEST(Key, TakesKeysOfOthersMaking) {
  const ErrorScope errors;  // of what is tried here
  const OwnedPkey rsa(EVP_RSA_gen(2048));
  const OwnedPkey ec(EVP_EC_gen("P-384"));
  const OwnedPkey ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  for (EVP_PKEY* key : {rsa.get(), ec.get(), ed25519.get()}) {
    for (const bool old : {false, true}) {
      const OwnedBio out(BIO_new(BIO_s_mem()));
      const int wrote =
          old ? PEM_write_bio_PrivateKey_traditional(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr)
              : PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
      if (wrote != 1) continue;  // Ed25519 has no older form
      const auto read = PrivateKey::any_from_pem(Secret(text_of(out.get())));
      ASSERT_TRUE(read) << EVP_PKEY_get0_type_name(key) << old;
      EXPECT_EQ(EVP_PKEY_eq(read->native(), key), 1);
    }
  }
  const OwnedBio locked(BIO_new(BIO_s_mem()));
  const char passphrase[] = "pass";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(locked.get(), ec.get(), EVP_aes_128_cbc(), passphrase, 4, nullptr, nullptr),
            1);
  for (const std::string& bad :
       {std::string(), std::string("nonsense"), text_of(locked.get()), std::string(20'000, 'x'),
        std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")})
    EXPECT_FALSE(PrivateKey::any_from_pem(Secret(bad))) << bad.substr(0, 40);
  EXPECT_TRUE(PrivateKey::any_from_pem(Secret(text_of(locked.get()))).error().message.contains("passphrase"));
}

TEST(Key, RefusesHalvesOfTwoKeys) {
  const PrivateKey a = PrivateKey::generate(), b = PrivateKey::generate();
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(EVP_PKEY2PKCS8(a.native()));
  unsigned char* raw = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &raw);
  Bytes der(std::as_bytes(std::span(raw, static_cast<std::size_t>(size))).begin(),
            std::as_bytes(std::span(raw, static_cast<std::size_t>(size))).end());
  OPENSSL_free(raw);
  const Bytes other = b.public_key().der();
  std::copy(other.end() - 64, other.end(), der.end() - 64);  // the public point stands last
  const std::string pem = "-----BEGIN PRIVATE KEY-----\n" + base64(ByteView(der).first(48)) + "\n" +
                          base64(ByteView(der).subspan(48, 48)) + "\n" + base64(ByteView(der).subspan(96)) +
                          "\n-----END PRIVATE KEY-----\n";
  const auto read = PrivateKey::from_pem(Secret(pem));
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("public half"), std::string::npos) << read.error().message;
}

}  // namespace
}  // namespace portolan::crypto
