// What JSON Web Keys and Signatures need of ours (RFC 7515, 7517, 7518): a P-256 key by its coordinates and its
// thumbprint, and ES256 signatures, which are the two numbers one after the other and no DER.
#pragma once
#include <string>

#include "base/bytes.h"
#include "crypto/key.h"

namespace portolan::crypto {

// base64url of 32 bytes each, as they stand in a JWK.
struct JwkPoint {
  std::string x;
  std::string y;
};
JwkPoint jwk_point(const PublicKey& key);
// RFC 7638, base64url: what the key is called ("kid").
std::string jwk_thumbprint(const JwkPoint& point);

// ECDSA on P-256 with SHA-256, as R ‖ S: always 64 bytes (RFC 7518 §3.4).
Bytes sign_es256(const PrivateKey& key, ByteView message);
bool verify_es256(const PublicKey& key, ByteView message, ByteView signature);

}  // namespace portolan::crypto
