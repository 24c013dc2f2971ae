// Who calls. A connection to the internal name is what its proven certificate says, and only that; on the public name a
// bearer token or a signature (signature.h) says it. Every request is checked anew against the newest directory: what
// was taken back a moment ago no longer counts.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "control/authorities.h"
#include "control/lookup.h"
#include "control/nonces.h"
#include "net/http/server.h"

namespace portolan::control {

// In the place of a token's permissions: whatever its account may.
inline constexpr std::string_view kAllPermissions = "all";

struct Caller {
  enum class Kind {
    kNobody,
    kApiToken,
    kSignInToken,
    kUserCertificate,
    kNode,
  };
  Kind kind = Kind::kNobody;
  std::string account = {};  // of all but nobody and nodes
  bool admin = false;
  std::string device = {};  // of sign-ins: token and certificate
  std::string sign_in = {};
  std::string node = {};
  std::string token = {};                                    // id of the API token
  std::optional<std::vector<std::string>> permissions = {};  // of an API token that may not all that its account may
  // Of a certificate that was given out to take the present one's place, and is seen for the first time.
  std::string pending_serial = {};

  std::string nonce = {};  // of a signed request, to be remembered once it is answered

  // For activities.
  const std::string& actor() const { return node.empty() ? account : node; }
  bool signed_in() const { return kind == Kind::kSignInToken || kind == Kind::kUserCertificate; }
};

// Whether the request is all there. By its head alone a signature says who wants to send the body, not yet that it is
// this body, or new.
enum class Body { kThere, kToCome };

// Nobody, if the connection shows no certificate and the request neither token nor signature. Code::kUnauthenticated,
// saying what to do, when what they show is not, or no longer, good, or a signature has been seen before (`nonces`);
// kDenied for a suspended account.
Result<Caller> identify(const net::http::Call& call, const Lookup& lookup, const Authorities& authorities,
                        Nonces& nonces, WallTime now, Body body = Body::kThere);
// The same for a request that goes on: its signature counts once, the token behind it is looked at anew.
Result<Caller> identify_again(const net::http::Call& call, const Caller& before, const Lookup& lookup,
                              const Authorities& authorities, Nonces& nonces, WallTime now);

// What the caller of a request that has waited is by now, in the directory as it is in `snapshot`: what was proven then
// stays proven, but an account may have been suspended, a sign-in ended, a token or node removed. Errors as above.
Result<Caller> identify_later(const Caller& before, const directory::Snapshot& snapshot, WallTime now);

// The same of a certificate alone: also for connections that go on, such as watches.
Result<Caller> identify_certificate(const crypto::Certificate& certificate, const Lookup& lookup,
                                    const Authorities& authorities, WallTime now);

// What is stored of a bearer or join token.
std::string token_hash(std::string_view token);

}  // namespace portolan::control
