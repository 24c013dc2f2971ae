#include "control/join.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/caller.h"
#include "control/certificates.h"
#include "control/objects.h"
#include "crypto/identity.h"
#include "directory/placement.h"
#include "net/address_range.h"

namespace portolan::control {
namespace {

constexpr std::string_view kAnother = "; get another one by `portolan admin nodes token create`";
constexpr std::string_view kAnotherKey = "; get another one by `portolan admin clusters keys add`";
constexpr std::size_t kNetworks = 64;
constexpr std::size_t kOwnPart = 6;  // of its id, behind the name of a node whose name is taken

std::unexpected<Error> refuse(std::string message) { return fail(Code::kDenied, std::move(message), "join_token"); }

std::unexpected<Error> refuse(const directory::JoinToken& token, const std::string& why) {
  const bool key = !token.cluster.empty();
  return refuse((key ? "this cluster key " : "this join token ") + why + std::string(key ? kAnotherKey : kAnother));
}

bool from_there(const directory::JoinToken& token, const std::string& peer) {
  return token.networks.empty() || std::ranges::any_of(token.networks, [&](const std::string& network) {
           const auto range = net::AddressRange::parse(network);
           return range && range->contains({peer, 0});
         });
}

Result<directory::JoinToken> usable_token(const directory::Snapshot& snapshot, const std::string& hash,
                                          const std::string& peer, WallTime now) {
  const auto found =
      std::ranges::find_if(snapshot.join_tokens, [&](const auto& entry) { return entry.second.token_hash == hash; });
  if (found == snapshot.join_tokens.end()) return refuse("this join token is not known here" + std::string(kAnother));
  const auto& token = found->second;
  const std::string state = joining_state(token, now);
  if (state == "revoked") return refuse(token, "was revoked");
  if (state == "used_up")
    return refuse(token, token.uses_limit == 1
                             ? "has been used, by node " + token.used_by
                             : "has made " + std::to_string(token.uses) + " nodes, as many as it may");
  if (state == "ended") return refuse(token, "ended at " + to_rfc3339(token.ends));
  if (!from_there(token, peer)) return refuse(token, "is not taken from " + peer);
  return token;
}

// A revoked node gives its name back: it stays on record under another one. What makes many nodes does not fail for a
// name: machines that are made from one image, or anew, often have the same.
Result<> free_name(store::Change& change, directory::Node& node, const directory::JoinToken& token) {
  const auto* holder = change.now().node_by_name(node.name);
  if (!holder) return {};
  if (holder->revoked) {
    auto renamed = *holder;
    renamed.name = renamed.name.substr(0, 40) + "." + renamed.id;
    return change.put(renamed);
  }
  if (token.uses_limit == 1)
    return fail(Code::kConflict, "there is a node " + quoted(node.name) +
                                     " already; give this one another name, or revoke the other first");
  node.name = node.name.substr(0, 50) + "-" + node.id.substr(node.id.size() - kOwnPart);
  return {};
}

// Everything is decided within the transaction: of two that come with one token, one gets it.
Core::Edit make_node(std::shared_ptr<directory::Node> node, std::string hash, std::string peer, WallTime now) {
  return
      [node = std::move(node), hash = std::move(hash), peer = std::move(peer), now](store::Change& change) -> Result<> {
        PL_TRY(auto token, usable_token(change.now(), hash, peer, now));
        if (token.id != node->joined_by || token.cluster != node->cluster)
          return fail(Code::kInternal, "the join token has changed meanwhile");
        if (!token.cluster.empty() && !change.now().clusters.contains(token.cluster))
          return refuse("the cluster of this key has been removed");
        if (token.cluster.empty() && !token.name.empty()) node->name = token.name;
        PL_CHECK(free_name(change, *node, token));
        PL_CHECK(change.put(*node));
        token.used_by = node->id;
        ++token.uses;
        token.last_used = now;
        return change.put(token);
      };
}

// What a node becomes by what it came by: of a cluster, and by whether it listens.
Result<std::string> kind_for(const directory::Snapshot& snapshot, const directory::JoinToken& token,
                             const std::string& address) {
  if (token.cluster.empty()) return token.kind;
  const auto cluster = snapshot.clusters.find(token.cluster);
  if (cluster == snapshot.clusters.end()) return refuse("the cluster of this key has been removed");
  if (!cluster->second.bridged) return std::string(directory::kWorker);
  return std::string(address.empty() ? directory::kBridgedWorker : directory::kBridgeWorker);
}

}  // namespace

std::string make_join_token(std::string_view prefix, const std::string& secret, const std::string& server_ca_sha256) {
  return std::string(prefix) + secret + "." + server_ca_sha256;
}

Result<std::string> join_token_hash(const std::string& token, const Authorised& server) {
  const auto dot = token.find('.', kJoinTokenPrefix.size());
  if (!(token.starts_with(kJoinTokenPrefix) || token.starts_with(kClusterKeyPrefix)) || dot == std::string::npos ||
      token.size() > 512)
    return refuse("this is neither a join token nor a cluster key" + std::string(kAnother));
  const auto trusted = server.trusted();
  if (std::ranges::find(trusted, token.substr(dot + 1), &crypto::Certificate::fingerprint) == trusted.end())
    return refuse("this join token is for another control plane, or for a server CA that has been replaced since" +
                  std::string(kAnother));
  return token_hash(std::string_view(token).substr(0, dot));
}

std::string joining_state(const directory::JoinToken& token, WallTime now) {
  if (token.revoked) return "revoked";
  if (token.uses_limit != 0 && token.uses >= token.uses_limit) return "used_up";
  return token.ends <= now ? "ended" : "valid";
}

Result<std::vector<std::string>> check_networks(const std::optional<std::vector<std::string>>& networks) {
  if (!networks) return std::vector<std::string>();
  if (networks->size() > kNetworks) return fail(Code::kInvalid, "networks: at most " + std::to_string(kNetworks));
  for (const auto& network : *networks)
    if (auto range = net::AddressRange::parse(network); !range)
      return std::unexpected(std::move(range).error().within("networks"));
  return *networks;
}

Result<> check_node_name(const std::string& name) {
  auto known = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  };
  if (!name.empty() && name.size() <= 63 && std::ranges::all_of(name, known) && name.front() != '-' &&
      name.front() != '.' && !(is_id(name, "n") && name.size() > 20))
    return {};
  return fail(Code::kInvalid,
              "node name " + quoted(name) + ": 1 to 63 of a-z, A-Z, 0-9, \"-\", \".\" and \"_\", not like an id");
}

Result<> check_node_kind(const std::string& kind) {
  if (kind == "gateway" || kind == "relay") return {};
  return fail(Code::kInvalid, "kind " + quoted(kind) + ": must be gateway or relay");
}

Result<> check_node_address(const std::string& kind, const std::string& address) {
  if (!directory::listens(kind)) {
    if (address.empty()) return {};
    return fail(Code::kInvalid, "a " + kind + " does not listen: start this node without --listen" +
                                    (kind == "relay" ? ", or with a gateway's join token" : ""));
  }
  if (address.empty())
    return fail(Code::kInvalid, "a " + kind + " listens: start this node with --listen" +
                                    (kind == "gateway" ? ", or with a relay's join token" : ""));
  auto endpoint = net::parse_endpoint(address);
  if (!endpoint) return std::unexpected(std::move(endpoint).error().within("advertised address"));
  if (endpoint->host.empty() || endpoint->port == 0 || address.size() > 260)
    return fail(Code::kInvalid, "advertised address " + quoted(address) + ": must be HOST:PORT");
  return {};
}

net::Task<Result<api::Joined>> join(Core& core, api::JoinRequest request, std::string peer) {
  const auto& authorities = core.authorities;
  const WallTime now = core.now();
  CO_TRY(auto hash, join_token_hash(request.token.reveal(), authorities.server));
  const auto lookup = core.lookup();
  CO_TRY(const auto token, usable_token(lookup->snapshot(), hash, peer, now));
  CO_CHECK(crypto::PublicKey::from_pem(request.public_key));
  CO_TRY(auto kind, kind_for(lookup->snapshot(), token, request.address));
  CO_CHECK(check_node_address(kind, request.address));
  const std::string name = token.cluster.empty() && !token.name.empty() ? token.name : request.name;
  CO_CHECK(check_node_name(name));

  directory::Node node{.id = make_id("n"),
                       .name = name,
                       .kind = std::move(kind),
                       .address = request.address,
                       .public_key = request.public_key,
                       .certificate_serial = {},
                       .revoked = false,
                       .created = now,
                       .certificates = {},
                       .cluster = token.cluster,
                       .joined_by = token.id};
  CO_TRY(auto issued, issue_for_node(core, node, core.options.node_life));
  node.certificate_serial = issued.held.serial;
  issued.held.state = "current";
  node.certificates.push_back(std::move(issued.held));
  const auto made = std::make_shared<directory::Node>(std::move(node));
  CO_CHECK(co_await core.change(made->id, make_node(made, std::move(hash), std::move(peer), now)));
  api::Joined joined{.organization = authorities.organization,
                     .node = made->id,
                     .name = made->name,
                     .kind = made->kind,
                     .certificate = issued.certificate.pem(),
                     .node_ca = authorities.node.bundle(),
                     .user_ca = authorities.user.bundle(),
                     .server_ca = authorities.server.bundle(),
                     .control_name = authorities.control_name};
  if (!made->cluster.empty()) joined.cluster = made->cluster;
  co_return joined;
}

// One change: who has the key cannot slip in between the key's end and that of its nodes.
net::Task<Answer> revoke_joining(Core& core, Exchange exchange, Joining what) {
  CO_TRY(const auto request, exchange.body<api::RevokeJoining>());
  const std::string id = exchange.argument();
  auto revoked = std::make_shared<api::JoiningRevoked>();
  revoked->id = id;
  auto edit = [id, what, revoked, with_nodes = request.nodes.value_or(false)](store::Change& change) -> Result<> {
    PL_TRY(auto token, current<directory::JoinToken>(change, id));
    if (token.cluster.empty() != (what == Joining::kToken))
      return fail(Code::kNotFound, std::string("there is no ") +
                                       (what == Joining::kToken ? "join token " : "cluster key ") + quoted(id));
    token.revoked = true;
    PL_CHECK(change.put(token));
    if (!with_nodes) return {};
    const auto nodes = change.now().nodes;  // a copy: the snapshot changes below
    for (const auto& [node_id, each] : nodes) {
      if (each.joined_by != id || each.revoked) continue;
      auto node = each;
      node.revoked = true;
      PL_CHECK(change.put(node));
      revoked->nodes.push_back(node_id);
    }
    return {};
  };
  CO_CHECK(co_await change_as(core, exchange, std::move(edit)));
  co_return ok(*revoked);
}

}  // namespace portolan::control
