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
enum class Profile {
  kUser,    // spiffe://ORG/user/a-…/device/d-…     TLS client
  kNode,    // spiffe://ORG/node/n-…                TLS client and server
  kServer,  // a control plane's DNS names and addresses; TLS server
};

// Value type, cheap to copy, immutable.
class Certificate {
 public:
  static Result<Certificate> from_der(ByteView der);
  // The first, or all, of the certificates in a PEM text; at most 16.
  static Result<Certificate> from_pem(std::string_view pem);
  static Result<std::vector<Certificate>> all_from_pem(std::string_view pem);
  explicit Certificate(std::shared_ptr<X509> native) : native_(std::move(native)) {}

  std::string pem() const;
  Bytes der() const;
  // Lower-case hexadecimal SHA-256 of the DER form: what people compare and joining nodes pin.
  std::string fingerprint() const;
  std::string serial() const;            // lower-case hexadecimal
  std::vector<std::string> uris() const; // of the subject alternative name, in order
  // The one URI name; Code::kInvalid if there is none or more than one.
  Result<std::string> identity() const;
  WallTime not_before() const;
  WallTime not_after() const;
  PublicKey public_key() const;
  // Whether it bears exactly the usage of this profile (and is no authority).
  bool has_profile(Profile profile) const;
  X509* native() const { return native_.get(); }

 private:
  std::shared_ptr<X509> native_;
};

std::string to_pem(const std::vector<Certificate>& chain);

struct CertificateRequest {
  Profile profile = Profile::kUser;
  PublicKey key;
  std::string common_name;              // for people; decides nothing
  std::vector<std::string> uris = {};
  std::vector<std::string> dns_names = {};
  std::vector<std::string> addresses = {};
  std::chrono::seconds life = std::chrono::hours(1);
};

// A root that signs leaves of one profile. Value type.
class Authority {
 public:
  // A new self-signed root, valid for `life`. It can sign no further authority (path length 0).
  static Authority create(std::string common_name, Profile profile, WallTime now, std::chrono::seconds life);
  static Result<Authority> from(Certificate certificate, PrivateKey key, Profile profile);
  // Valid from five minutes ago (clocks differ) to now + life, never beyond the root's own end.
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

// Whether `leaf` was issued by `root` directly, is valid at `now` and has the profile: for checks outside a TLS handshake.
Result<> verify_leaf(const Certificate& leaf, const Certificate& root, Profile profile, WallTime now);

}  // namespace portolan::crypto
