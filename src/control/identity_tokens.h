// Identity tokens: by these a web application learns from the control plane, and from nobody in between, who its user
// is. A JWT for one account and one resource, in the lease of a resource that has the setting; the egress node puts it
// into each request. Applications verify it by GET /.well-known/jwks.json. docs/guide/web-admin.md tells them how.
//
//   iss  the control plane's public URL            aud  the resource's id
//   sub  the account's id                          email, name (if it has one), groups (its roles' names, in order)
//   resource  the resource's name                  iat, nbf, exp, jti
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "control/identity_keys.h"
#include "control/lookup.h"

namespace portolan::control {

// A resource with this setting, of whatever protocol, gets a token in its leases.
inline constexpr std::string_view kIdentitySetting = "jwt_header";
// How far off an application's clock may be.
inline constexpr std::chrono::milliseconds kIdentitySlack = std::chrono::minutes(1);

// How long a token can be good: sessions outlast the control plane for the life of their lease once more, and the
// application must go on believing whom the node serves.
constexpr std::chrono::milliseconds identity_token_life(std::chrono::milliseconds lease_life) {
  return 2 * lease_life + kIdentitySlack;
}

// On the loop that brings `keys` up to date.
class IdentityTokens {
 public:
  // `keys` outlives it.
  IdentityTokens(std::string issuer, const IdentityKeys& keys, std::chrono::milliseconds lease_life)
      : issuer_(std::move(issuer)), keys_(keys), lease_life_(lease_life) {}

  // For an account and a resource that are there. `until`: when the permission ends, whatever renews the lease.
  // Code::kDenied when the account has more roles than a header can name: an application that keeps out a group must
  // not be told of half of them.
  Result<Secret> make(const Lookup& lookup, const std::string& account, const std::string& resource, WallTime now,
                      WallTime until) const;

 private:
  std::string issuer_;
  const IdentityKeys& keys_;
  std::chrono::milliseconds lease_life_;
};

}  // namespace portolan::control
