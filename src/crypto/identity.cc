// The parsers take the parts and then compare what they would write with what they read: there is one spelling, and
// nothing is decoded, trimmed or folded on the way.
#include "crypto/identity.h"

#include <algorithm>
#include <array>

#include "base/id.h"

namespace portolan::crypto {
namespace {

constexpr std::string_view kScheme = "spiffe://";

bool is_organization(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '-';
  });
}

// The text up to the next slash, which is consumed; all of it if there is none.
std::string_view segment(std::string_view& rest) {
  const auto end = rest.find('/');
  const std::string_view out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return out;
}

}  // namespace

std::string to_uri(const UserIdentity& identity) {
  return std::string(kScheme) + identity.organization + "/user/" + identity.account + "/device/" + identity.device;
}

std::string to_uri(const NodeIdentity& identity) {
  return std::string(kScheme) + identity.organization + "/node/" + identity.node;
}

std::string to_uri(const ClusterIdentity& identity) {
  return std::string(kScheme) + identity.organization + "/cluster/" + identity.cluster;
}

Result<UserIdentity> parse_user_identity(std::string_view uri) {
  const auto bad = [&] { return fail(Code::kInvalid, "not the name of a user's device: " + quoted(uri)); };
  if (!uri.starts_with(kScheme)) return bad();
  std::string_view rest = uri.substr(kScheme.size());
  UserIdentity out;
  out.organization = segment(rest);
  segment(rest);  // "user" and "device": the comparison at the end checks them
  out.account = segment(rest);
  segment(rest);
  out.device = segment(rest);
  if (!is_organization(out.organization) || !is_id(out.account, "a") || !is_id(out.device, "d") || to_uri(out) != uri)
    return bad();
  return out;
}

Result<NodeIdentity> parse_node_identity(std::string_view uri) {
  const auto bad = [&] { return fail(Code::kInvalid, "not the name of a node: " + quoted(uri)); };
  if (!uri.starts_with(kScheme)) return bad();
  std::string_view rest = uri.substr(kScheme.size());
  NodeIdentity out;
  out.organization = segment(rest);
  segment(rest);
  out.node = segment(rest);
  if (!is_organization(out.organization) || !is_id(out.node, "n") || to_uri(out) != uri) return bad();
  return out;
}

Result<ClusterIdentity> parse_cluster_identity(std::string_view uri) {
  const auto bad = [&] { return fail(Code::kInvalid, "not the name of a proxy cluster: " + quoted(uri)); };
  if (!uri.starts_with(kScheme)) return bad();
  std::string_view rest = uri.substr(kScheme.size());
  ClusterIdentity out;
  out.organization = segment(rest);
  segment(rest);
  out.cluster = segment(rest);
  if (!is_organization(out.organization) || !is_id(out.cluster, "c") || to_uri(out) != uri) return bad();
  return out;
}

Result<NodeNames> parse_node_names(std::span<const std::string> uris) {
  if (uris.empty() || uris.size() > 2)
    return fail(Code::kInvalid, "a node's certificate has its name, and perhaps that of its cluster, and no other");
  NodeNames names;
  PL_TRY(names.node, parse_node_identity(uris[0]));
  if (uris.size() == 1) return names;
  PL_TRY(names.cluster, parse_cluster_identity(uris[1]));
  if (names.cluster->organization != names.node.organization)
    return fail(Code::kInvalid, "the names of a node and its cluster are of two organizations");
  return names;
}

}  // namespace portolan::crypto
