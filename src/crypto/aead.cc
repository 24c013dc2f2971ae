#include "crypto/aead.h"

#include <algorithm>
#include <array>
#include <climits>

#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

constexpr std::size_t kNonceSize = 12;

int length_of(ByteView bytes) {
  must(bytes.size() <= INT_MAX, "AES-256-GCM of a message of this size");
  return static_cast<int>(bytes.size());
}

}  // namespace

void Aead::Free::operator()(EVP_CIPHER_CTX* native) const { EVP_CIPHER_CTX_free(native); }

Aead::Aead(const Secret& key, Use use) : native_(must(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new")) {
  must(key.reveal().size() == kKeySize, "AES-256-GCM with a key of this size");
  must(EVP_CipherInit_ex(native_.get(), EVP_aes_256_gcm(), nullptr, native_bytes(key.reveal().data()), nullptr,
                         use == Use::kSeal ? 1 : 0) == 1,
       "AES-256-GCM");
}

// The nonce alone: key and direction stay.
void Aead::begin(std::uint64_t nonce, ByteView context) {
  std::array<std::byte, kNonceSize> bytes{};
  for (std::size_t i = 0; i < sizeof(nonce); ++i) bytes[kNonceSize - 1 - i] = static_cast<std::byte>(nonce >> (8 * i));
  int size = 0;
  must(EVP_CipherInit_ex(native_.get(), nullptr, nullptr, nullptr, native_bytes(bytes.data()), -1) == 1 &&
           (context.empty() ||
            EVP_CipherUpdate(native_.get(), nullptr, &size, native_bytes(context.data()), length_of(context)) == 1),
       "AES-256-GCM");
}

void Aead::seal(std::uint64_t nonce, ByteView context, ByteView plain, std::span<std::byte> out) {
  must(out.size() == plain.size() + kTagSize && EVP_CIPHER_CTX_is_encrypting(native_.get()) == 1,
       "AES-256-GCM: a message");
  begin(nonce, context);
  const std::span tag = out.last(kTagSize);
  int size = 0;
  must((plain.empty() || EVP_CipherUpdate(native_.get(), native_bytes(out.data()), &size, native_bytes(plain.data()),
                                          length_of(plain)) == 1) &&
           EVP_CipherFinal_ex(native_.get(), native_bytes(tag.data()), &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(native_.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1,
       "AES-256-GCM");
}

bool Aead::open(std::uint64_t nonce, ByteView context, ByteView sealed, std::span<std::byte> out) {
  if (sealed.size() < kTagSize) return false;
  must(out.size() == sealed.size() - kTagSize && EVP_CIPHER_CTX_is_encrypting(native_.get()) == 0,
       "AES-256-GCM: a sealed message");
  const ErrorScope errors;
  begin(nonce, context);
  std::array<std::byte, kTagSize> tag;
  std::ranges::copy(sealed.last(kTagSize), tag.begin());
  int size = 0;
  std::array<unsigned char, kTagSize> rest;
  const bool proven = (out.empty() || EVP_CipherUpdate(native_.get(), native_bytes(out.data()), &size,
                                                       native_bytes(sealed.data()), length_of(out)) == 1) &&
                      EVP_CIPHER_CTX_ctrl(native_.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
                      EVP_CipherFinal_ex(native_.get(), rest.data(), &size) == 1;
  if (!proven) wipe(out);
  return proven;
}

}  // namespace portolan::crypto
