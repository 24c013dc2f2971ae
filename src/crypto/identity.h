// The names in certificates (architecture §10.3): spiffe://ORG/user/a-…/device/d-… and spiffe://ORG/node/n-….
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace portolan::crypto {

struct UserIdentity {
  std::string organization;
  std::string account;  // a-…
  std::string device;   // d-…
  bool operator==(const UserIdentity&) const = default;
};
struct NodeIdentity {
  std::string organization;
  std::string node;  // n-…
  bool operator==(const NodeIdentity&) const = default;
};

std::string to_uri(const UserIdentity& identity);
std::string to_uri(const NodeIdentity& identity);
// Strict: exactly this form, ids of [0-9a-z], an organization of [a-z0-9.-]{1,63}.
Result<UserIdentity> parse_user_identity(std::string_view uri);
Result<NodeIdentity> parse_node_identity(std::string_view uri);

}  // namespace portolan::crypto
