// The keys that sign identity tokens: what tells a web application who its user is (architecture §5, "JWT headers").
// They sign nothing else. Kept beside the certificate authorities, sealed as they are, and rotated in the same steps
// (rotation.h): an announced one stands in the JWKS before it signs, a retiring one until its last tokens have ended.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "crypto/key.h"
#include "crypto/sealing.h"
#include "directory/decision.h"
#include "store/directory_store.h"

namespace portolan::control {

inline constexpr std::string_view kIdentityPurpose = "identity";

// Value type, never empty.
class IdentityKeys {
 public:
  struct One {
    std::string id;     // ca-…
    std::string state;  // directory::Authority
    crypto::PrivateKey key;
    std::string kid = {};  // RFC 7638
  };
  // Exactly one of them signs.
  static Result<IdentityKeys> from(std::vector<One> all);

  const One& signing() const { return all_.front(); }
  const std::vector<One>& all() const { return all_; }
  // A JWT (RFC 7519) with these claims, in the compact form, ES256.
  Secret sign(const boost::json::object& claims) const;
  // The public halves as a JWK set (RFC 7517 §5), the one that signs first.
  const std::string& jwks() const { return jwks_; }

 private:
  IdentityKeys(std::vector<One> all, std::string jwks) : all_(std::move(all)), jwks_(std::move(jwks)) {}
  std::vector<One> all_;
  std::string jwks_;
};

// Of the snapshot, unsealed.
Result<IdentityKeys> identity_keys_of(const directory::Snapshot& snapshot, const crypto::SealingKey& sealing);
// A new one, in the state "announced": `certificate` is the public key, in PEM.
directory::Authority make_identity_key(const crypto::SealingKey& sealing, WallTime now);
// Makes the first one if the store has none: a new one, or one of a release that had no such keys. Blocks.
Result<> ensure_identity_key(store::DirectoryStore& store, const crypto::SealingKey& sealing, WallTime now);
// What a stored key is called in tokens and in the JWKS; empty if it is none.
std::string kid_of(const directory::Authority& stored);

}  // namespace portolan::control
