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
  // That this client renews its certificate, which may then be a short one. Sent only where Trust::renews says so.
  std::optional<bool> renews = {};
};
BOOST_DESCRIBE_STRUCT(SignInRequest, (), (email, password, public_key, device_name, device, renews))

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

// ---- signing in by a browser, in the shape of RFC 8628 ----
// POST /v1/device-codes, for anyone
struct DeviceCodeRequest {
  std::string public_key;  // PEM of the device's key
  std::string device_name;
  std::optional<std::string> device;  // as in SignInRequest
  std::optional<bool> renews = {};    // likewise
};
BOOST_DESCRIBE_STRUCT(DeviceCodeRequest, (), (public_key, device_name, device, renews))

struct DeviceCode {
  Secret device_code;                     // for the device alone
  std::string user_code;                  // "BCDF-GHJK", shown to the person on both sides
  std::string verification_uri;           // where the person types it
  std::string verification_uri_complete;  // the same with the code in it
  std::uint64_t expires_in = 0;           // seconds
  std::uint64_t interval = 0;             // seconds between two questions, at least
};
BOOST_DESCRIBE_STRUCT(DeviceCode, (),
                      (device_code, user_code, verification_uri, verification_uri_complete, expires_in, interval))

// POST /v1/device-codes/token → SignedIn, or a problem with the code "authorization_pending", "slow_down",
// "access_denied" or "expired_token"
struct DeviceCodeQuestion {
  Secret device_code;
};
BOOST_DESCRIBE_STRUCT(DeviceCodeQuestion, (), (device_code))

// ---- POST /v1/whoami/password: one's own password ----
struct PasswordChange {
  Secret old_password;
  Secret new_password;
  std::optional<bool> sign_out_others;  // ends the account's sign-ins on other devices
};
BOOST_DESCRIBE_STRUCT(PasswordChange, (), (old_password, new_password, sign_out_others))

// GET /v1/trust, for anyone: what a client or node is to pin after comparing the fingerprint.
struct Trust {
  std::string organization;
  std::string server_ca;         // PEM; several while it is rotated
  std::string server_ca_sha256;  // of the first
  std::string control_name;      // the internal server name, for ALPN "portolan-control"
  std::string version;
  std::optional<bool> renews = {};  // certificates can be renewed here
};
BOOST_DESCRIBE_STRUCT(Trust, (), (organization, server_ca, server_ca_sha256, control_name, version, renews))

}  // namespace portolan::api
