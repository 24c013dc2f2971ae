#include "control/resource_rules.h"

#include <algorithm>

#include "control/leases.h"
#include "control/listing.h"
#include "control/objects.h"
#include "crypto/certificate.h"
#include "directory/egress_filter.h"
#include "directory/placement.h"
#include "protocols/hosts.h"

namespace portolan::control {
namespace {

constexpr std::uint16_t kFirstLocalPort = 10'000;
constexpr std::uint16_t kLastLocalPort = 32'767;
constexpr std::size_t kSecretLimit = 4096;
constexpr std::size_t kSettingsLimit = 64 * 1024;
constexpr std::size_t kTagsLimit = 64;
// Of every protocol that signs in with a certificate, in PEM: its key is the resource's tls_key.
constexpr std::string_view kCertificateSetting = "tls_certificate";
constexpr std::chrono::hours kSoon(14 * 24);  // before its end

Result<> check_host(const std::string& host) {
  const bool plain = std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '%';
  });
  if (!host.empty() && host.size() <= 253 && plain) return {};
  return fail(Code::kInvalid, "host " + quoted(host) + ": must be a host name or an address, without a port");
}

// A browser knows a web resource as NAME.localhost.
Result<> check_web_name(const std::string& name) {
  if (!name.ends_with('-') && !name.starts_with("xn--")) return {};
  return fail(Code::kInvalid, "resource name " + quoted(name) +
                                  ": browsers know a web resource as NAME.localhost, so its name must not end with "
                                  "\"-\", nor begin with \"xn--\"");
}

}  // namespace

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

Result<const protocols::Protocol*> protocol_of(const std::string& type) {
  if (const auto* protocol = protocols::find_protocol(type)) return protocol;
  std::string known;
  for (const auto& protocol : protocols::registry()) known += (known.empty() ? "" : ", ") + std::string(protocol.name);
  return fail(Code::kInvalid, "type " + quoted(type) + ": is not known; known are: " + known);
}

Result<> check_resource(const directory::Resource& resource) {
  PL_CHECK(directory::check_resource_name(resource.name));
  PL_TRY(const auto* protocol, protocol_of(resource.type));
  if (protocol->web_hosts) PL_CHECK(check_web_name(resource.name));
  PL_CHECK(check_host(resource.host));
  if (resource.port == 0) return fail(Code::kInvalid, "port: is needed for a resource of type " + resource.type);
  if (resource.local_port != 0 && (resource.local_port < kFirstLocalPort || resource.local_port > kLastLocalPort))
    return fail(Code::kInvalid,
                "local_port: must be " + std::to_string(kFirstLocalPort) + " to " + std::to_string(kLastLocalPort));
  PL_CHECK(check_tags(resource.tags));
  PL_CHECK(directory::EgressFilter::parse(resource.egress_filter));
  if (json::encode(resource.settings).size() > kSettingsLimit) return fail(Code::kLimit, "settings: too long");
  return protocols::check_settings(*protocol, resource.settings, resource.username);
}

Result<> check_resource_password(const std::optional<Secret>& password) {
  if (!password || password->reveal().size() <= kSecretLimit) return {};
  return fail(Code::kInvalid, "password: at most " + std::to_string(kSecretLimit) + " bytes");
}

// Settings that cannot be read are refused by check_resource().
bool is_elsewhere(const directory::Resource& before, const std::string& host, std::uint16_t port,
                  const std::map<std::string, std::string>& settings) {
  const auto known = protocols::hosts_of(before.host, before.port, before.settings);
  const auto wanted = protocols::hosts_of(host, port, settings);
  if (!known || !wanted) return host != before.host || port != before.port;
  return !std::ranges::all_of(*wanted,
                              [&](const auto& each) { return std::ranges::find(*known, each) != known->end(); });
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

Result<std::vector<std::string>> egress_ids(const directory::Snapshot& snapshot, const std::vector<std::string>& keys,
                                            const std::map<std::string, std::string>& more) {
  std::vector<std::string> out;
  for (const auto& key : keys) {
    if (const auto made = more.find(key); made != more.end()) {
      if (std::ranges::find(out, made->second) == out.end()) out.push_back(made->second);
      continue;
    }
    if (const auto* cluster = snapshot.nodes.contains(key) ? nullptr : directory::find_cluster(snapshot, key)) {
      if (std::ranges::find(out, cluster->id) == out.end()) out.push_back(cluster->id);
      continue;
    }
    const auto by_id = snapshot.nodes.find(key);
    const auto* found = by_id == snapshot.nodes.end() ? snapshot.node_by_name(key) : &by_id->second;
    PL_TRY(const auto node, existing(found, "node or cluster", key));
    if (node.revoked) return fail(Code::kInvalid, "egress_nodes: the node " + quoted(key) + " has been revoked");
    if (directory::is_worker(node.kind))
      return fail(Code::kInvalid, "egress_nodes: " + quoted(key) + " is a worker of a cluster; name the cluster");
    if (std::ranges::find(out, node.id) == out.end()) out.push_back(node.id);
  }
  return out;
}

namespace {

// Sealed, or as it is when it is the same secret.
std::string reseal(const crypto::SealingKey& key, const std::string& sealed, const std::string& context,
                   const Secret& secret) {
  if (!sealed.empty()) {
    const auto known = key.open(sealed, context);
    if (known && equal_in_constant_time(as_bytes(known->reveal()), as_bytes(secret.reveal()))) return sealed;
  }
  return secret.empty() ? std::string() : key.seal(secret, context);
}

}  // namespace

std::string seal_password(const crypto::SealingKey& key, const std::string& resource, const Secret& password) {
  return password.empty() ? std::string() : key.seal(password, password_context(resource));
}

std::string reseal_password(const crypto::SealingKey& key, const directory::Resource& resource,
                            const Secret& password) {
  return reseal(key, resource.sealed_password, password_context(resource.id), password);
}

// One goes with the other: a certificate without its key is of no use, and a key of nothing must not lie about.
Result<> set_tls_key(const crypto::SealingKey& sealing, directory::Resource& resource,
                     const std::optional<Secret>& given) {
  const std::string context = tls_key_context(resource.id);
  const auto setting = resource.settings.find(std::string(kCertificateSetting));
  if (setting == resource.settings.end()) {
    if (given && !given->empty())
      return fail(Code::kInvalid, "tls_key: it is the key of no certificate; give that too, as the setting " +
                                      std::string(kCertificateSetting));
    resource.sealed_tls_key.clear();
    return {};
  }
  auto chain = crypto::Certificate::all_from_pem(setting->second);
  if (!chain) return std::unexpected(std::move(chain).error().within("setting " + setting->first));
  if (given) resource.sealed_tls_key = reseal(sealing, resource.sealed_tls_key, context, *given);
  if (resource.sealed_tls_key.empty())
    return fail(Code::kInvalid, "setting " + setting->first + ": its private key is missing; give it as tls_key");
  auto pem = given ? Result<Secret>(*given) : sealing.open(resource.sealed_tls_key, context);
  if (!pem) return std::unexpected(std::move(pem).error().within("tls_key"));
  const auto key = crypto::PrivateKey::any_from_pem(*pem);
  if (!key) return std::unexpected(Error(key.error()).within("tls_key"));
  if (chain->front().certifies(*key)) return {};
  return fail(Code::kInvalid, given ? "tls_key: it is not the key of the certificate in the setting " + setting->first
                                    : "setting " + setting->first +
                                          ": the key that is kept for it (tls_key) belongs to another certificate; "
                                          "give the key of this one with it");
}

std::vector<std::string> resource_warnings(const directory::Resource& resource, WallTime now) {
  const auto setting = resource.settings.find(std::string(kCertificateSetting));
  if (setting == resource.settings.end()) return {};
  const auto chain = crypto::Certificate::all_from_pem(setting->second);
  if (!chain) return {};
  const auto& leaf = chain->front();
  const std::string begin = "the certificate in the setting " + setting->first;
  if (now >= leaf.not_after())
    return {begin + " ended on " + to_rfc3339(leaf.not_after()) + ": the server will refuse it"};
  if (now < leaf.not_before()) return {begin + " is not valid before " + to_rfc3339(leaf.not_before())};
  if (leaf.not_after() - now < kSoon) return {begin + " ends on " + to_rfc3339(leaf.not_after())};
  return {};
}

}  // namespace portolan::control
