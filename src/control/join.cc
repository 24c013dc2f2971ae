#include "control/join.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/caller.h"
#include "control/certificates.h"
#include "crypto/identity.h"

namespace portolan::control {
namespace {

constexpr std::string_view kPrefix = "pjt1.";

std::unexpected<Error> refuse(std::string message) { return fail(Code::kDenied, std::move(message), "join_token"); }

Result<directory::JoinToken> usable_token(const directory::Snapshot& snapshot, const std::string& hash, WallTime now) {
  for (const auto& [id, token] : snapshot.join_tokens) {
    if (token.token_hash != hash) continue;
    if (!token.used_by.empty())
      return refuse("this join token has been used, by node " + token.used_by +
                    "; a token makes one node: get another one");
    if (token.ends <= now) return refuse("this join token ended at " + to_rfc3339(token.ends) + "; get another one");
    return token;
  }
  return refuse("this join token is not known here; get one by `portolan admin nodes token`");
}

// A revoked node gives its name back: it stays on record under another one.
Result<> free_name(store::Change& change, const std::string& name) {
  const auto* holder = change.now().node_by_name(name);
  if (!holder) return {};
  if (!holder->revoked)
    return fail(Code::kConflict,
                "there is a node " + quoted(name) + " already; give this one another name, or revoke the other first");
  auto renamed = *holder;
  renamed.name = renamed.name.substr(0, 40) + "." + renamed.id;
  return change.put(renamed);
}

// Everything is decided within the transaction: of two that come with one token, one gets it.
Core::Edit make_node(directory::Node node, std::string hash, std::string asked_name, WallTime now) {
  return [node = std::move(node), hash = std::move(hash), asked_name = std::move(asked_name),
          now](store::Change& change) mutable -> Result<> {
    PL_TRY(auto token, usable_token(change.now(), hash, now));
    if (token.kind != node.kind) return fail(Code::kInternal, "the join token has changed meanwhile");
    node.name = token.name.empty() ? asked_name : token.name;
    PL_CHECK(free_name(change, node.name));
    PL_CHECK(change.put(node));
    token.used_by = node.id;
    return change.put(token);
  };
}

}  // namespace

std::string make_join_token(const std::string& secret, const std::string& server_ca_sha256) {
  return std::string(kPrefix) + secret + "." + server_ca_sha256;
}

Result<std::string> join_token_hash(const std::string& token, const Authorised& server) {
  const auto dot = token.find('.', kPrefix.size());
  if (!token.starts_with(kPrefix) || dot == std::string::npos || token.size() > 512)
    return refuse("this is not a join token; get one by `portolan admin nodes token`");
  const auto trusted = server.trusted();
  if (std::ranges::find(trusted, token.substr(dot + 1), &crypto::Certificate::fingerprint) == trusted.end())
    return refuse(
        "this join token is for another control plane, or for a server CA that has been replaced since; get another "
        "one by `portolan admin nodes token`");
  return token_hash(std::string_view(token).substr(0, dot));
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
  if (kind == "relay") {
    if (address.empty()) return {};
    return fail(Code::kInvalid,
                "a relay does not listen: start this node without --listen, or with a gateway's join token");
  }
  if (address.empty())
    return fail(Code::kInvalid, "a gateway listens: start this node with --listen, or with a relay's join token");
  auto endpoint = net::parse_endpoint(address);
  if (!endpoint) return std::unexpected(std::move(endpoint).error().within("advertised address"));
  if (endpoint->host.empty() || endpoint->port == 0 || address.size() > 260)
    return fail(Code::kInvalid, "advertised address " + quoted(address) + ": must be HOST:PORT");
  return {};
}

net::Task<Result<api::Joined>> join(Core& core, api::JoinRequest request) {
  const auto& authorities = core.authorities;
  const WallTime now = core.now();
  CO_TRY(auto hash, join_token_hash(request.token.reveal(), authorities.server));
  CO_TRY(const auto token, usable_token(core.lookup()->snapshot(), hash, now));
  CO_CHECK(crypto::PublicKey::from_pem(request.public_key));
  CO_CHECK(check_node_address(token.kind, request.address));
  const std::string name = token.name.empty() ? request.name : token.name;
  CO_CHECK(check_node_name(name));

  directory::Node node{.id = make_id("n"),
                       .name = name,
                       .kind = token.kind,
                       .address = request.address,
                       .public_key = request.public_key,
                       .certificate_serial = {},
                       .revoked = false,
                       .created = now,
                       .certificates = {}};
  CO_TRY(auto issued, issue_for_node(core, node, core.options.node_life));
  node.certificate_serial = issued.held.serial;
  issued.held.state = "current";
  node.certificates.push_back(std::move(issued.held));
  CO_CHECK(co_await core.change(node.id, make_node(node, std::move(hash), request.name, now)));
  co_return api::Joined{.organization = authorities.organization,
                        .node = node.id,
                        .name = name,
                        .kind = node.kind,
                        .certificate = issued.certificate.pem(),
                        .node_ca = authorities.node.bundle(),
                        .user_ca = authorities.user.bundle(),
                        .server_ca = authorities.server.bundle(),
                        .control_name = authorities.control_name};
}

}  // namespace portolan::control
