// Private and public keys: ECDSA on P-256, the one kind that Portolan makes (fast to sign and verify, accepted
// everywhere).
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace portolan::crypto {

// Value type, cheap to copy, immutable.
class PublicKey {
 public:
  // SubjectPublicKeyInfo, as DER and as PEM. Only P-256 is taken, as a named curve with an uncompressed point: one
  // spelling.
  static Result<PublicKey> from_der(ByteView der);
  static Result<PublicKey> from_pem(std::string_view pem);
  explicit PublicKey(std::shared_ptr<EVP_PKEY> native) : native_(std::move(native)) {}
  Bytes der() const;
  std::string pem() const;
  // ECDSA with SHA-256 over `message`; `signature` is DER.
  bool verify(ByteView message, ByteView signature) const;
  EVP_PKEY* native() const { return native_.get(); }
  bool operator==(const PublicKey& other) const { return der() == other.der(); }

 private:
  std::shared_ptr<EVP_PKEY> native_;
};

class PrivateKey {
 public:
  static PrivateKey generate();
  // PKCS #8, unencrypted. Only P-256 is taken.
  static Result<PrivateKey> from_pem(const Secret& pem);
  // A key of somebody else's making, for a certificate that another authority has issued: RSA, EC or Ed25519, in PKCS
  // #8 or the older forms, unencrypted. Code::kInvalid for anything else.
  static Result<PrivateKey> any_from_pem(const Secret& pem);
  explicit PrivateKey(std::shared_ptr<EVP_PKEY> native) : native_(std::move(native)) {}
  Secret pem() const;
  // The public half alone: it does not keep the private one in memory.
  PublicKey public_key() const;
  Bytes sign(ByteView message) const;
  EVP_PKEY* native() const { return native_.get(); }

 private:
  std::shared_ptr<EVP_PKEY> native_;
};

}  // namespace portolan::crypto
