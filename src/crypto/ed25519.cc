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

}  // namespace portolan::crypto
