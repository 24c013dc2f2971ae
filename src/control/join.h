// Joining: a token makes one node, or as many as it says; a key of a proxy cluster makes workers of that cluster, and
// nothing else (architecture §10.8). Each join is an activity, of the node and of what it came by.
#pragma once
#include <string>
#include <string_view>

#include "api/clusters.h"
#include "api/node.h"
#include "control/routes.h"

namespace portolan::control {

// "pjt1.SECRET.SHA256-OF-THE-SERVER-CA", of a cluster's key "pck1.…": what a new node needs to find its control plane
// believable, and to be believed.
inline constexpr std::string_view kJoinTokenPrefix = "pjt1.";
inline constexpr std::string_view kClusterKeyPrefix = "pck1.";
std::string make_join_token(std::string_view prefix, const std::string& secret, const std::string& server_ca_sha256);
// The hash by which the token is stored. Code::kDenied for anything that does not look like one, or is for a server CA
// that is none of these.
Result<std::string> join_token_hash(const std::string& token, const Authorised& server);
// "valid", or why nobody can join by it: "revoked", "ended", "used_up".
std::string joining_state(const directory::JoinToken& token, WallTime now);
// Limits of what makes nodes, as they are asked for. Code::kInvalid names the member.
Result<std::vector<std::string>> check_networks(const std::optional<std::vector<std::string>>& networks);

// `peer`: the address that the request comes from.
net::Task<Result<api::Joined>> join(Core& core, api::JoinRequest request, std::string peer);
// POST …/{token}/revoke of a join token, or of a cluster's key (`of_cluster`).
enum class Joining { kToken, kClusterKey };
net::Task<Answer> revoke_joining(Core& core, Exchange exchange, Joining what);

Result<> check_node_name(const std::string& name);
Result<> check_node_kind(const std::string& kind);
// What listens has an address for others to dial, what does not has none.
Result<> check_node_address(const std::string& kind, const std::string& address);

}  // namespace portolan::control
