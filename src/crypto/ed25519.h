// Public keys of Ed25519 (RFC 8032): what scripts sign their requests with, because every openssl makes the 64 bytes of
// such a signature by one command. Everything else of ours is ECDSA on P-256 (key.h).
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace portolan::crypto {

// Value type, cheap to copy, immutable.
class Ed25519PublicKey {
 public:
  // SubjectPublicKeyInfo as PEM ("openssl pkey -pubout"); in one spelling only, so that equal keys have equal PEMs.
  static Result<Ed25519PublicKey> from_pem(std::string_view pem);
  std::string pem() const;
  // `signature` is the 64 bytes of RFC 8032.
  bool verify(ByteView message, ByteView signature) const;

 private:
  explicit Ed25519PublicKey(std::shared_ptr<EVP_PKEY> native) : native_(std::move(native)) {}
  std::shared_ptr<EVP_PKEY> native_;
};

}  // namespace portolan::crypto
