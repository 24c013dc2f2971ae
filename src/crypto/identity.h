// The names in certificates (architecture §10.3): spiffe://ORG/user/a-…/device/d-…, spiffe://ORG/node/n-…, and of a
// node that is a worker of a proxy cluster behind that spiffe://ORG/cluster/c-….
#pragma once
#include <optional>
#include <span>
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

struct ClusterIdentity {
  std::string organization;
  std::string cluster;  // c-…
  bool operator==(const ClusterIdentity&) const = default;
};
// All names of a node.
struct NodeNames {
  NodeIdentity node;
  std::optional<ClusterIdentity> cluster = {};
};

std::string to_uri(const UserIdentity& identity);
std::string to_uri(const NodeIdentity& identity);
std::string to_uri(const ClusterIdentity& identity);
// Strict: exactly this form, ids of [0-9a-z], an organization of [a-z0-9.-]{1,63}.
Result<UserIdentity> parse_user_identity(std::string_view uri);
Result<NodeIdentity> parse_node_identity(std::string_view uri);
Result<ClusterIdentity> parse_cluster_identity(std::string_view uri);
// From all URI names of a certificate: the node's, and perhaps its cluster's, of the same organization; nothing else.
Result<NodeNames> parse_node_names(std::span<const std::string> uris);

}  // namespace portolan::crypto
