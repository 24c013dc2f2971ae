// Hashes, message authentication and key derivation, over OpenSSL.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace portolan::crypto {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(ByteView bytes);

// The same of bytes that come in pieces and are not kept.
class Sha256Hasher {
 public:
  Sha256Hasher();
  void add(ByteView bytes);
  // Then it begins anew: for many short texts that is cheaper than one hasher for each.
  Sha256 finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* native) const;
  };
  std::unique_ptr<EVP_MD_CTX, Free> native_;
};

Sha256 hmac_sha256(ByteView key, ByteView bytes);
// RFC 8018; the caller bounds `iterations`, which may come from a peer: at least 1.
Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, unsigned iterations);
// Only for PostgreSQL's md5 sign-in.
std::string md5_hex(ByteView bytes);

}  // namespace portolan::crypto
