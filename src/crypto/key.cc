// P-256 only, and each key in one spelling only: a public key is taken in exactly the 91 bytes that every library
// writes (named curve, uncompressed point), so that two encodings are equal when and only when the keys are.
#include "crypto/key.h"

#include <array>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "crypto/openssl.h"
#include "crypto/pem.h"
#include "crypto/profile.h"

namespace portolan::crypto {
namespace {

// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 04 …: RFC 5480 §2.
constexpr std::array<unsigned char, 27> kP256Prefix = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                                       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                                       0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
constexpr std::size_t kP256Size = kP256Prefix.size() + 64;
constexpr std::size_t kPrivateLimit = 16 * 1024;

bool is_spelled_as_p256(ByteView der) {
  const auto prefix = std::as_bytes(std::span(kP256Prefix));
  return der.size() == kP256Size && std::equal(prefix.begin(), prefix.end(), der.begin());
}

bool is_p256(EVP_PKEY* key) {
  if (key == nullptr || EVP_PKEY_is_a(key, "EC") != 1) return false;
  std::array<char, 32> curve{};
  if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve.data(), curve.size(), nullptr) != 1)
    return false;
  int from_parameters = 0;
  EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &from_parameters);
  return std::string_view(curve.data()) == "prime256v1" && from_parameters == 0;
}

Bytes encode_public(EVP_PKEY* key) {
  const ErrorScope errors;
  unsigned char* der = nullptr;
  const int size = key == nullptr ? -1 : i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  const Owned<unsigned char, [](unsigned char* p) { OPENSSL_free(p); }> owner(der);
  const auto bytes = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  return {bytes.begin(), bytes.end()};
}

std::shared_ptr<EVP_PKEY> share(OwnedPkey key) { return {std::move(key)}; }

// Whether the two halves of the key belong together: in PKCS #8 they stand side by side, and may not.
bool halves_match(EVP_PKEY* key) {
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> ctx(must(EVP_PKEY_CTX_new(key, nullptr), "EVP_PKEY_CTX_new"));
  return EVP_PKEY_check(ctx.get()) == 1;
}

}  // namespace

bool has_p256_key(X509* certificate) {
  const ErrorScope errors;
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return false;
  const Owned<unsigned char, [](unsigned char* p) { OPENSSL_free(p); }> owner(der);
  return is_spelled_as_p256(std::as_bytes(std::span(der, static_cast<std::size_t>(size)))) &&
         is_p256(X509_get0_pubkey(certificate));
}

Result<PublicKey> PublicKey::from_der(ByteView der) {
  if (!is_spelled_as_p256(der)) return fail(Code::kInvalid, "not an ECDSA P-256 public key");
  const ErrorScope errors;
  const unsigned char* at = native_bytes(der.data());
  OwnedPkey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!is_p256(key.get())) return fail(Code::kInvalid, "not an ECDSA P-256 public key: the point is not on the curve");
  return PublicKey(share(std::move(key)));
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  PemReader reader(pem);
  PL_TRY(const auto block, reader.next());
  if (!block || block->label != "PUBLIC KEY") return fail(Code::kInvalid, "no PEM block \"PUBLIC KEY\"");
  return from_der(as_bytes(block->der.reveal()));
}

Bytes PublicKey::der() const { return encode_public(native_.get()); }

std::string PublicKey::pem() const {
  const OwnedBio out(must(BIO_new(BIO_s_mem()), "BIO_new"));
  must(PEM_write_bio_PUBKEY(out.get(), native_.get()) == 1, "PEM_write_bio_PUBKEY");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

bool PublicKey::verify(ByteView message, ByteView signature) const {
  const ErrorScope errors;
  if (!is_p256(native_.get())) return false;
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> ctx(must(EVP_MD_CTX_new(), "EVP_MD_CTX_new"));
  if (EVP_DigestVerifyInit(ctx.get(), nullptr, EVP_sha256(), nullptr, native_.get()) != 1) return false;
  return EVP_DigestVerify(ctx.get(), native_bytes(signature.data()), signature.size(), native_bytes(message.data()),
                          message.size()) == 1;
}

PrivateKey PrivateKey::generate() { return PrivateKey(share(OwnedPkey(must(EVP_EC_gen("P-256"), "EVP_EC_gen")))); }

Result<PrivateKey> PrivateKey::from_pem(const Secret& pem) {
  PemReader reader(pem.reveal());
  PL_TRY(const auto block, reader.next());
  if (!block || block->label != "PRIVATE KEY" || block->der.reveal().size() > kPrivateLimit)
    return fail(Code::kInvalid, "no PEM block \"PRIVATE KEY\": openssl pkcs8 -topk8 -nodes converts other forms");
  const ErrorScope errors;
  const std::string& der = block->der.reveal();
  const unsigned char* at = native_bytes(der.data());
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (info == nullptr || at != native_bytes(der.data()) + der.size())
    return fail(Code::kInvalid, "not a PKCS #8 private key");
  OwnedPkey key(EVP_PKCS82PKEY(info.get()));
  if (!is_p256(key.get())) return fail(Code::kInvalid, "not an ECDSA P-256 private key");
  if (!halves_match(key.get())) return fail(Code::kInvalid, "private key whose public half is another key's");
  return PrivateKey(share(std::move(key)));
}

Result<PrivateKey> PrivateKey::any_from_pem(const Secret& pem) {
  const ErrorScope errors;
  const std::string& text = pem.reveal();
  if (text.size() > kPrivateLimit) return fail(Code::kLimit, "private key larger than 16 KiB");
  const OwnedBio in(must(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), "BIO_new_mem_buf"));
  // An encrypted key asks for its passphrase: there is none, and nobody at a terminal.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  OwnedPkey key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr && (text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")))
    return fail(Code::kInvalid,
                "the private key is encrypted with a passphrase; take it off with: openssl pkey -in KEY -out NEW");
  if (key == nullptr) return fail(Code::kInvalid, "not a private key in PEM");
  return PrivateKey(share(std::move(key)));
}

Secret PrivateKey::pem() const {
  const Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      must(EVP_PKEY2PKCS8(native_.get()), "EVP_PKEY2PKCS8"));
  const OwnedBio out(must(BIO_new(BIO_s_secmem()), "BIO_new"));
  must(PEM_write_bio_PKCS8_PRIV_KEY_INFO(out.get(), info.get()) == 1, "PEM_write_bio_PKCS8_PRIV_KEY_INFO");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return Secret(std::string(text, static_cast<std::size_t>(size)));
}

PublicKey PrivateKey::public_key() const {
  const Bytes der = encode_public(native_.get());
  const unsigned char* at = native_bytes(der.data());
  return PublicKey(share(OwnedPkey(must(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), "d2i_PUBKEY"))));
}

Bytes PrivateKey::sign(ByteView message) const {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> ctx(must(EVP_MD_CTX_new(), "EVP_MD_CTX_new"));
  must(EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, native_.get()) == 1, "EVP_DigestSignInit");
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(native_.get()));
  Bytes signature(size);
  must(EVP_DigestSign(ctx.get(), native_bytes(signature.data()), &size, native_bytes(message.data()), message.size()) ==
           1,
       "EVP_DigestSign");
  signature.resize(size);
  return signature;
}

}  // namespace portolan::crypto
