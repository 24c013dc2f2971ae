// X.509: certificates as values, and the authorities that issue Portolan's own (docs/wire.md, "Certificates").
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/key.h"

typedef struct x509_st X509;

namespace portolan::crypto {

// What a certificate is for: each has its own authority and its own extended key usage, and is taken for nothing else.
// Root and leaf bear exactly the profile's own usage and the standard ones beside it, which TLS libraries ask for:
//   kUser    1.3.6.1.4.1.59999.1.1, clientAuth
//   kNode    1.3.6.1.4.1.59999.1.2, clientAuth, serverAuth
//   kServer  1.3.6.1.4.1.59999.1.3, serverAuth
// Roots: CA, path length 0, keyCertSign and cRLSign. Leaves: no CA, digitalSignature.
enum class Profile {
  kUser,    // spiffe://ORG/user/a-…/device/d-…
  kNode,    // spiffe://ORG/node/n-…, and of a cluster's worker spiffe://ORG/cluster/c-…
  kServer,  // a control plane's DNS names and addresses
};

// Value type, cheap to copy, immutable.
class Certificate {
 public:
  // At most 64 KiB.
  static Result<Certificate> from_der(ByteView der);
  // The first, or all, of the certificates in a PEM text; at most 16. Blocks of other kinds are skipped.
  static Result<Certificate> from_pem(std::string_view pem);
  static Result<std::vector<Certificate>> all_from_pem(std::string_view pem);
  explicit Certificate(std::shared_ptr<X509> native) : native_(std::move(native)) {}

  std::string pem() const;
  Bytes der() const;
  // Lower-case hexadecimal SHA-256 of the DER form: what people compare and joining nodes pin.
  std::string fingerprint() const;
  // The hash of the DER form that stands for a server's end of a TLS connection, "tls-server-end-point" (RFC 5929
  // §4.1): by the hash of the certificate's own signature, SHA-256 in place of MD5 and SHA-1. Empty where the signature
  // has no hash of its own (Ed25519): for these none is defined.
  Bytes end_point() const;
  std::string serial() const;             // lower-case hexadecimal
  std::vector<std::string> uris() const;  // of the subject alternative name, in order
  // The one URI name; Code::kInvalid if there is none or more than one.
  Result<std::string> identity() const;
  WallTime not_before() const;
  WallTime not_after() const;
  // When it is to be renewed: two thirds of its life after it was issued (its beginning is five minutes earlier).
  WallTime renewal() const;
  PublicKey public_key() const;
  // Whether it bears exactly the usage of this profile, is no authority, and holds a P-256 key. Says nothing of its
  // signature.
  bool has_profile(Profile profile) const;
  // Whether this is the private key of the one that it certifies.
  bool certifies(const PrivateKey& key) const;
  X509* native() const { return native_.get(); }

 private:
  std::shared_ptr<X509> native_;
};

std::string to_pem(const std::vector<Certificate>& chain);

struct CertificateRequest {
  Profile profile = Profile::kUser;
  PublicKey key;
  std::string common_name;  // for people; decides nothing
  std::vector<std::string> uris = {};
  std::vector<std::string> dns_names = {};
  std::vector<std::string> addresses = {};  // IPv4 or IPv6; at least one name of any kind is needed
  std::chrono::seconds life = std::chrono::hours(1);
};

// How long before the time of issue a certificate is valid: clocks may be this far off (architecture §10.12).
inline constexpr std::chrono::minutes kBackdate{5};

// A root that signs leaves of one profile. Value type.
class Authority {
 public:
  // A new self-signed root, valid for `life`, at most a hundred years. It can sign no further authority (path length
  // 0).
  static Authority create(std::string common_name, Profile profile, WallTime now, std::chrono::seconds life);
  // Code::kInvalid unless the key belongs to the certificate and this is a root of the profile.
  static Result<Authority> from(Certificate certificate, PrivateKey key, Profile profile);
  // Valid from five minutes ago (clocks differ) to now + life, never beyond the root's own end. Code::kInvalid for a
  // request of another profile, without names, or with names that are not well formed.
  Result<Certificate> issue(const CertificateRequest& request, WallTime now) const;
  const Certificate& certificate() const { return certificate_; }
  const PrivateKey& key() const { return key_; }
  Profile profile() const { return profile_; }

 private:
  Authority(Certificate certificate, PrivateKey key, Profile profile)
      : certificate_(std::move(certificate)), key_(std::move(key)), profile_(profile) {}
  Certificate certificate_;
  PrivateKey key_;
  Profile profile_;
};

// Whether `leaf` was issued by `root` directly, is valid at `now` (as is the root) and has the profile: for checks
// outside a TLS handshake. Code::kDenied if not. The caller has chosen `root`, by its own knowledge and never by the
// peer's.
Result<> verify_leaf(const Certificate& leaf, const Certificate& root, Profile profile, WallTime now);
// Whether the root's key has signed the leaf; says nothing of time or profile.
bool is_issued_by(const Certificate& leaf, const Certificate& root);

}  // namespace portolan::crypto
