// Ed25519 (RFC 8032): what scripts sign their requests with, because every openssl makes the 64 bytes of such a
// signature by one command, and what releases are signed with, because a signature needs no random number, which a
// machine kept offline may be short of. Everything else of ours is ECDSA on P-256 (key.h).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/key.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace portolan::crypto {

// Value type, cheap to copy, immutable.
class Ed25519PublicKey {
 public:
  // SubjectPublicKeyInfo as PEM ("openssl pkey -pubout"); in one spelling only, so that equal keys have equal PEMs.
  static Result<Ed25519PublicKey> from_pem(std::string_view pem);
  std::string pem() const;
  // The 32 bytes of RFC 8032 §5.1.5.
  static Result<Ed25519PublicKey> from_raw(ByteView raw);
  Bytes raw() const;
  // `signature` is the 64 bytes of RFC 8032.
  bool verify(ByteView message, ByteView signature) const;

 private:
  explicit Ed25519PublicKey(std::shared_ptr<EVP_PKEY> native) : native_(std::move(native)) {}
  std::shared_ptr<EVP_PKEY> native_;
};

// Value type, cheap to copy, immutable.
class Ed25519PrivateKey {
 public:
  static Ed25519PrivateKey generate();
  // PKCS #8, unencrypted, as "openssl genpkey -algorithm ed25519" makes it.
  static Result<Ed25519PrivateKey> from_pem(const Secret& pem);
  Secret pem() const;
  Ed25519PublicKey public_key() const;
  // The 64 bytes of RFC 8032.
  Bytes sign(ByteView message) const;

 private:
  explicit Ed25519PrivateKey(PrivateKey key) : key_(std::move(key)) {}
  PrivateKey key_;
};

}  // namespace portolan::crypto
