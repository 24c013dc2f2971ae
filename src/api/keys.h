// Certificates that renew themselves, the authorities that all are told of, and what admins see of keys.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"

namespace portolan::api {

// Which authorities are trusted. Each text is a bundle of PEM certificates; the first is the one that signs now. On the
// watches of nodes and agents that give `trust=` (the `version` of what they have, or "none"), first and whenever it
// changes; who has taken it says so by watching anew with the new version.
struct TrustedAuthorities {
  std::string version;
  std::string user_ca;
  std::string node_ca;
  std::string server_ca;
};
BOOST_DESCRIBE_STRUCT(TrustedAuthorities, (), (version, user_ca, node_ca, server_ca))

// POST /v1/node/certificate and POST /v1/sign-ins/current/certificate, with an empty body, by the certificate that is
// to be renewed: the same name and key.
struct RenewedCertificate {
  std::string certificate;
  TrustedAuthorities trust;
};
BOOST_DESCRIBE_STRUCT(RenewedCertificate, (), (certificate, trust))

// ---- GET /v1/keys ----
struct KeyView {
  std::string id;       // ca-…; the sealing key's own id
  std::string purpose;  // "user", "node", "server", "identity", "sealing"
  std::string state;    // "announced", "signing", "retiring"; of the sealing key where it comes from
  std::string signs;    // what it is for, in words
  std::string sha256;   // of the authority's certificate; empty for keys that have none
  WallTime since{};
  std::optional<WallTime> until;  // of the certificate
  std::optional<WallTime> signs_since;
  std::optional<WallTime> activates;
  std::optional<WallTime> retires;
  std::vector<std::string> waiting_for;  // who is here and has not taken the announced one yet
  std::vector<std::string> used_by;      // whose certificate is still of the retiring one
  std::optional<std::string> kid = {};   // of an identity key: what tokens and the JWKS call it
};
BOOST_DESCRIBE_STRUCT(KeyView, (),
                      (id, purpose, state, signs, sha256, since, until, signs_since, activates, retires, waiting_for,
                       used_by, kid))

// ---- GET /.well-known/jwks.json ----
// A key that signs identity tokens: RFC 7517, RFC 7518 §6.2.
struct Jwk {
  std::string kty;  // "EC"
  std::string crv;  // "P-256"
  std::string x;
  std::string y;
  std::string kid;  // RFC 7638
  std::string use;  // "sig"
  std::string alg;  // "ES256"
};
BOOST_DESCRIBE_STRUCT(Jwk, (), (kty, crv, x, y, kid, use, alg))
struct Jwks {
  std::vector<Jwk> keys;  // the one that signs first
};
BOOST_DESCRIBE_STRUCT(Jwks, (), (keys))

// POST /v1/keys/{purpose}/rotate
struct KeyRotate {
  std::optional<std::string> overlap;         // "30d": how long the old one stays trusted once the new one signs
  std::optional<std::string> activate_after;  // "24h": the new one signs then even if not everybody has taken it
  std::optional<bool> now;                    // the new one signs at once
};
BOOST_DESCRIBE_STRUCT(KeyRotate, (), (overlap, activate_after, now))

// POST /v1/keys/{purpose}/finish
struct KeyFinish {
  std::optional<bool> force;  // even if somebody still needs the old one
};
BOOST_DESCRIBE_STRUCT(KeyFinish, (), (force))

}  // namespace portolan::api
