// AES-256-GCM of many messages under one key that was made for them alone: the cipher is set up once, and the nonce is
// a number that the caller counts. (A secret by itself is sealed by sealing.h.)
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"

typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;

namespace portolan::crypto {

// One thread at a time. OpenSSL wipes its copy of the key with the object.
class Aead {
 public:
  static constexpr std::size_t kKeySize = 32;
  static constexpr std::size_t kTagSize = 16;  // by so much a sealed message is longer

  enum class Use { kSeal, kOpen };
  // 32 bytes; anything else is a bug of the caller, as is the other use.
  Aead(const Secret& key, Use use);

  // Fills `out`, which is kTagSize longer than `plain`. No nonce may come twice under one key: who sees two messages of
  // one nonce can read and forge. The context is authenticated, not hidden. `out` and `plain` do not overlap.
  void seal(std::uint64_t nonce, ByteView context, ByteView plain, std::span<std::byte> out);
  // Fills `out`, which is kTagSize shorter than `sealed`; false, and `out` is zeroes, if `sealed` was made with another
  // key, nonce or context, was altered, or is too short.
  bool open(std::uint64_t nonce, ByteView context, ByteView sealed, std::span<std::byte> out);

 private:
  void begin(std::uint64_t nonce, ByteView context);

  struct Free {
    void operator()(EVP_CIPHER_CTX* native) const;
  };
  std::unique_ptr<EVP_CIPHER_CTX, Free> native_;
};

}  // namespace portolan::crypto
