#include "crypto/jwk.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include "crypto/hash.h"
#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

constexpr int kNumber = 32;  // bytes of R, of S, and of a coordinate

using OwnedSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;
using OwnedNumber = Owned<BIGNUM, BN_free>;

}  // namespace

// The last 64 bytes of the one spelling that a public key has (key.cc).
JwkPoint jwk_point(const PublicKey& key) {
  const Bytes der = key.der();
  must(der.size() > 2 * kNumber, "encode a public key");
  const auto point = ByteView(der).last(2 * kNumber);
  return {base64url(point.first(kNumber)), base64url(point.last(kNumber))};
}

// The required members only, in the order of their names, without spaces.
std::string jwk_thumbprint(const JwkPoint& point) {
  return base64url(sha256(as_bytes(R"({"crv":"P-256","kty":"EC","x":")" + point.x + R"(","y":")" + point.y + R"("})")));
}

Bytes sign_es256(const PrivateKey& key, ByteView message) {
  const Bytes der = key.sign(message);
  const unsigned char* at = native_bytes(der.data());
  const OwnedSignature signature(
      must(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), "read a signature of our own"));
  Bytes out(2 * kNumber);
  must(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), native_bytes(out.data()), kNumber) == kNumber &&
           BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), native_bytes(out.data() + kNumber), kNumber) == kNumber,
       "BN_bn2binpad");
  return out;
}

bool verify_es256(const PublicKey& key, ByteView message, ByteView signature) {
  if (signature.size() != 2 * kNumber) return false;
  const ErrorScope errors;
  OwnedNumber r(must(BN_bin2bn(native_bytes(signature.data()), kNumber, nullptr), "BN_bin2bn"));
  OwnedNumber s(must(BN_bin2bn(native_bytes(signature.data() + kNumber), kNumber, nullptr), "BN_bin2bn"));
  const OwnedSignature both(must(ECDSA_SIG_new(), "ECDSA_SIG_new"));
  must(ECDSA_SIG_set0(both.get(), r.get(), s.get()) == 1, "ECDSA_SIG_set0");
  // They are its own now.
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(both.get(), &der);
  if (size <= 0) return false;
  const Owned<unsigned char, [](unsigned char* p) { OPENSSL_free(p); }> owner(der);
  return key.verify(message, std::as_bytes(std::span(der, static_cast<std::size_t>(size))));
}

}  // namespace portolan::crypto
