// Signing in, and what anybody may ask before it (docs/reference/api.md).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

// ---- signing in: POST /v1/sign-ins ----
struct SignInRequest {
  std::string email;
  Secret password;
  std::string public_key;  // PEM of the device's key
  std::string device_name;
  std::optional<std::string> device;  // d-… of an earlier sign-in of this installation, to keep it
};
BOOST_DESCRIBE_STRUCT(SignInRequest, (), (email, password, public_key, device_name, device))

struct SignedIn {
  std::string organization;
  std::string account;
  std::string email;
  bool admin = false;
  std::string device;
  std::string certificate;  // PEM, the user certificate
  std::string node_ca;      // PEM
  std::string server_ca;    // PEM
  Secret token;             // bearer token for the API, good until `ends`
  WallTime ends{};          // absolute end of the sign-in
};
BOOST_DESCRIBE_STRUCT(SignedIn, (),
                      (organization, account, email, admin, device, certificate, node_ca, server_ca, token, ends))

// GET /v1/trust, for anyone: what a client or node is to pin after comparing the fingerprint.
struct Trust {
  std::string organization;
  std::string server_ca;
  std::string server_ca_sha256;
  std::string control_name;  // the internal server name, for ALPN "portolan-control"
  std::string version;
};
BOOST_DESCRIBE_STRUCT(Trust, (), (organization, server_ca, server_ca_sha256, control_name, version))

}  // namespace portolan::api
