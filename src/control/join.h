// Joining: a single-use token makes one node (architecture §10.8).
#pragma once
#include <string>

#include "api/node.h"
#include "control/core.h"

namespace portolan::control {

// "pjt1.SECRET.SHA256-OF-THE-SERVER-CA": what a new node needs to find its control plane believable, and to be
// believed.
std::string make_join_token(const std::string& secret, const std::string& server_ca_sha256);
// The hash by which the token is stored. Code::kDenied for anything that does not look like one, or is for a server CA
// that is none of these.
Result<std::string> join_token_hash(const std::string& token, const Authorised& server);

net::Task<Result<api::Joined>> join(Core& core, api::JoinRequest request);

Result<> check_node_name(const std::string& name);
Result<> check_node_kind(const std::string& kind);
// A gateway has an address for others to dial, a relay has none.
Result<> check_node_address(const std::string& kind, const std::string& address);

}  // namespace portolan::control
