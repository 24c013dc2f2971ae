#include "control/resource_rules.h"

#include <algorithm>

#include "control/leases.h"
#include "control/listing.h"
#include "control/objects.h"

namespace portolan::control {
namespace {

constexpr std::uint16_t kFirstLocalPort = 10'000;
constexpr std::uint16_t kLastLocalPort = 32'767;
constexpr std::size_t kSecretLimit = 4096;
constexpr std::size_t kSettingsLimit = 64 * 1024;
constexpr std::size_t kTagsLimit = 64;

Result<> check_host(const std::string& host) {
  const bool plain = std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '%';
  });
  if (!host.empty() && host.size() <= 253 && plain) return {};
  return fail(Code::kInvalid, "host " + quoted(host) + ": must be a host name or an address, without a port");
}

// Tags are what lists are filtered by: "env=prod".
Result<> check_tags(const std::map<std::string, std::string>& tags) {
  if (tags.size() > kTagsLimit) return fail(Code::kInvalid, "tags: at most " + std::to_string(kTagsLimit));
  for (const auto& [key, value] : tags) {
    const bool plain = std::ranges::all_of(key, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
             c == '_' || c == '/' || c == ':';
    });
    if (key.empty() || key.size() > 63 || !plain)
      return fail(Code::kInvalid, "tags: the key " + quoted(key) +
                                      " must have 1 to 63 of a-z, A-Z, 0-9, \".\", \"-\", \"_\", \"/\", \":\"");
    PL_CHECK(check_text("tags." + key, value, 255));
  }
  return {};
}

}  // namespace

Result<const protocols::Protocol*> protocol_of(const std::string& type) {
  if (const auto* protocol = protocols::find_protocol(type)) return protocol;
  std::string known;
  for (const auto& protocol : protocols::registry()) known += (known.empty() ? "" : ", ") + std::string(protocol.name);
  return fail(Code::kInvalid, "type " + quoted(type) + ": is not known; known are: " + known);
}

Result<> check_resource(const directory::Resource& resource) {
  PL_CHECK(directory::check_resource_name(resource.name));
  PL_TRY(const auto* protocol, protocol_of(resource.type));
  PL_CHECK(check_host(resource.host));
  if (resource.port == 0) return fail(Code::kInvalid, "port: is needed for a resource of type " + resource.type);
  if (resource.local_port != 0 && (resource.local_port < kFirstLocalPort || resource.local_port > kLastLocalPort))
    return fail(Code::kInvalid,
                "local_port: must be " + std::to_string(kFirstLocalPort) + " to " + std::to_string(kLastLocalPort));
  PL_CHECK(check_tags(resource.tags));
  if (json::encode(resource.settings).size() > kSettingsLimit) return fail(Code::kLimit, "settings: too long");
  return protocols::check_settings(*protocol, resource.settings, resource.username);
}

Result<> check_resource_password(const std::optional<Secret>& password) {
  if (!password || password->reveal().size() <= kSecretLimit) return {};
  return fail(Code::kInvalid, "password: at most " + std::to_string(kSecretLimit) + " bytes");
}

std::unexpected<Error> refuse_kept_password(const directory::Resource& before) {
  return fail(Code::kInvalid,
              "password: the one that is kept was given for " +
                  quoted(before.host + ":" + std::to_string(before.port)) +
                  ", and would be sent to another host or port; give it again, or say that it is kept (keep_password)",
              "password_not_kept");
}

Result<> check_local_port(std::optional<std::uint16_t> port) {
  if (port && *port == 0) return fail(Code::kInvalid, "local_port: must not be 0");
  return {};
}

std::uint16_t usual_local_port(const protocols::Protocol& protocol, const directory::Resource& resource) {
  return protocol.default_port != 0 ? protocol.default_port : resource.port;
}

Result<std::vector<std::string>> egress_ids(const directory::Snapshot& snapshot, const std::vector<std::string>& keys) {
  std::vector<std::string> out;
  for (const auto& key : keys) {
    const auto by_id = snapshot.nodes.find(key);
    const auto* found = by_id == snapshot.nodes.end() ? snapshot.node_by_name(key) : &by_id->second;
    PL_TRY(const auto node, existing(found, "node", key));
    if (node.revoked) return fail(Code::kInvalid, "egress_nodes: the node " + quoted(key) + " has been revoked");
    if (std::ranges::find(out, node.id) == out.end()) out.push_back(node.id);
  }
  return out;
}

std::string seal_password(const crypto::SealingKey& key, const std::string& resource, const Secret& password) {
  return password.empty() ? std::string() : key.seal(password, password_context(resource));
}

std::string reseal_password(const crypto::SealingKey& key, const directory::Resource& resource,
                            const Secret& password) {
  if (!resource.sealed_password.empty()) {
    const auto known = key.open(resource.sealed_password, password_context(resource.id));
    if (known && equal_in_constant_time(as_bytes(known->reveal()), as_bytes(password.reveal())))
      return resource.sealed_password;
  }
  return seal_password(key, resource.id, password);
}

}  // namespace portolan::control
