// API tokens: /v1/tokens. The token itself is shown once, when it is made.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"

namespace portolan::api {

struct ApiTokenCreate {
  std::string name;                      // for people
  std::optional<std::string> life = {};  // a duration; absent: until it is removed
  // For whom: another account than the caller's is for admins.
  std::optional<std::string> account = {};
  // What it may: "resources:read", "accounts:write" …; absent or "all": whatever its account may.
  std::optional<std::vector<std::string>> permissions = {};
  // PEM of an Ed25519 key: then there is no token, and requests are signed with that key
  // (docs/reference/signatures.md).
  std::optional<std::string> public_key = {};
};
BOOST_DESCRIBE_STRUCT(ApiTokenCreate, (), (name, life, account, permissions, public_key))

struct ApiTokenMade {
  std::string id;
  std::string account;
  std::string name;
  std::optional<Secret> token = {};  // absent for a key
  std::optional<WallTime> ends = {};
  std::vector<std::string> permissions = {};
};
BOOST_DESCRIBE_STRUCT(ApiTokenMade, (), (id, account, name, token, ends, permissions))

struct ApiTokenView {
  std::string id;
  std::string account;
  std::string name;
  WallTime created{};
  std::optional<WallTime> ends = {};
  std::string email;  // of the account
  std::vector<std::string> permissions = {};
  std::string proof = "bearer";  // or "signature"
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(ApiTokenView, (), (id, account, name, created, ends, email, permissions, proof, revision))

}  // namespace portolan::api

template <>
inline constexpr bool portolan::json::kMissingIsDefault<portolan::api::ApiTokenMade> = true;
template <>
inline constexpr bool portolan::json::kMissingIsDefault<portolan::api::ApiTokenView> = true;
