#include "crypto/ed25519.h"

#include <algorithm>
#include <array>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "crypto/openssl.h"
#include "crypto/pem.h"

namespace portolan::crypto {
namespace {

// SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING { …: RFC 8410 §4.
constexpr std::array<unsigned char, 12> kPrefix = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kSignatureSize = 64;

}  // namespace

Result<Ed25519PublicKey> Ed25519PublicKey::from_pem(std::string_view pem) {
  PemReader reader(pem);
  PL_TRY(const auto block, reader.next());
  if (!block || block->label != "PUBLIC KEY") return fail(Code::kInvalid, "no PEM block \"PUBLIC KEY\"");
  const auto der = as_bytes(block->der.reveal());
  const auto prefix = std::as_bytes(std::span(kPrefix));
  if (der.size() != kPrefix.size() + kKeySize || !std::equal(prefix.begin(), prefix.end(), der.begin()))
    return fail(Code::kInvalid, "not an Ed25519 public key; make one with: openssl genpkey -algorithm ed25519");
  const ErrorScope errors;
  OwnedPkey key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, native_bytes(der.data() + kPrefix.size()), kKeySize));
  if (!key) return fail(Code::kInvalid, "not an Ed25519 public key");
  return Ed25519PublicKey(std::shared_ptr<EVP_PKEY>(std::move(key)));
}

Result<Ed25519PublicKey> Ed25519PublicKey::from_raw(ByteView raw) {
  if (raw.size() != kKeySize) return fail(Code::kInvalid, "not the 32 bytes of an Ed25519 public key");
  const ErrorScope errors;
  OwnedPkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, native_bytes(raw.data()), raw.size()));
  if (!key) return fail(Code::kInvalid, "not an Ed25519 public key");
  return Ed25519PublicKey(std::shared_ptr<EVP_PKEY>(std::move(key)));
}

Bytes Ed25519PublicKey::raw() const {
  Bytes out(kKeySize);
  std::size_t size = out.size();
  must(EVP_PKEY_get_raw_public_key(native_.get(), native_bytes(out.data()), &size) == 1 && size == kKeySize,
       "EVP_PKEY_get_raw_public_key");
  return out;
}

std::string Ed25519PublicKey::pem() const {
  const OwnedBio out(must(BIO_new(BIO_s_mem()), "BIO_new"));
  must(PEM_write_bio_PUBKEY(out.get(), native_.get()) == 1, "PEM_write_bio_PUBKEY");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

bool Ed25519PublicKey::verify(ByteView message, ByteView signature) const {
  if (signature.size() != kSignatureSize) return false;
  const ErrorScope errors;
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> ctx(must(EVP_MD_CTX_new(), "EVP_MD_CTX_new"));
  if (EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, native_.get()) != 1) return false;
  return EVP_DigestVerify(ctx.get(), native_bytes(signature.data()), signature.size(), native_bytes(message.data()),
                          message.size()) == 1;
}

Ed25519PrivateKey Ed25519PrivateKey::generate() {
  OwnedPkey made(must(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), "EVP_PKEY_Q_keygen"));
  return Ed25519PrivateKey(PrivateKey(std::shared_ptr<EVP_PKEY>(std::move(made))));
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::from_pem(const Secret& pem) {
  PL_TRY(auto key, PrivateKey::any_from_pem(pem));
  if (EVP_PKEY_get_id(key.native()) != EVP_PKEY_ED25519) return fail(Code::kInvalid, "not an Ed25519 private key");
  return Ed25519PrivateKey(std::move(key));
}

Secret Ed25519PrivateKey::pem() const { return key_.pem(); }

Ed25519PublicKey Ed25519PrivateKey::public_key() const {
  Bytes raw(kKeySize);
  std::size_t size = raw.size();
  must(EVP_PKEY_get_raw_public_key(key_.native(), native_bytes(raw.data()), &size) == 1, "EVP_PKEY_get_raw_public_key");
  auto key = Ed25519PublicKey::from_raw(raw);
  must(key.has_value(), "Ed25519PublicKey::from_raw");
  return std::move(*key);
}

Bytes Ed25519PrivateKey::sign(ByteView message) const {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> ctx(must(EVP_MD_CTX_new(), "EVP_MD_CTX_new"));
  must(EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, key_.native()) == 1, "EVP_DigestSignInit");
  Bytes out(kSignatureSize);
  std::size_t size = out.size();
  must(EVP_DigestSign(ctx.get(), native_bytes(out.data()), &size, native_bytes(message.data()), message.size()) == 1 &&
           size == kSignatureSize,
       "EVP_DigestSign");
  return out;
}

}  // namespace portolan::crypto
