// The one place where it is decided who may use what (architecture §5): pure functions over an immutable snapshot.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "directory/access_index.h"
#include "directory/model.h"

namespace portolan::directory {

// All of the directory at one revision, indexed. Made by the store, swapped as a whole, shared read-only between
// threads.
struct Snapshot {
  std::string epoch;  // of the store; another one (a restore) makes everyone list anew
  std::uint64_t revision = 0;
  std::map<std::string, Account, std::less<>> accounts;
  std::map<std::string, Device, std::less<>> devices;
  std::map<std::string, SignIn, std::less<>> sign_ins;
  std::map<std::string, ApiToken, std::less<>> api_tokens;
  std::map<std::string, Role, std::less<>> roles;
  std::map<std::string, Membership, std::less<>> memberships;
  std::map<std::string, Grant, std::less<>> grants;
  std::map<std::string, Resource, std::less<>> resources;
  std::map<std::string, Node, std::less<>> nodes;
  std::map<std::string, JoinToken, std::less<>> join_tokens;
  std::map<std::string, Cluster, std::less<>> clusters;
  std::map<std::string, Authority, std::less<>> authorities;
  std::map<std::string, PeeringGroup, std::less<>> peering_groups;

  const Account* account_by_email(std::string_view email) const;
  const Resource* resource_by_name(std::string_view name) const;
  const Role* role_by_name(std::string_view name) const;
  const Node* node_by_name(std::string_view name) const;
  const PeeringGroup* peering_group_by_name(std::string_view name) const;
};

struct Decision {
  bool allowed = false;
  std::string code;                  // "granted", "no_grant", "grant_ended", "grant_not_begun", "account_suspended",
                                     // "unknown_account", "unknown_resource"
  std::vector<std::string> reasons;  // the chain, for people: "ann@example.com has role \"dba\" (m-…)", …
  std::optional<WallTime> valid_until;
};
// `access`, here and below: of the same memberships and grants, so that not all of them are looked at; null: they are.
Decision allow(const Snapshot& snapshot, std::string_view account, std::string_view resource, WallTime now,
               const AccessIndex* access = nullptr);

// Whether a grant counts at this time.
bool in_force(const Grant& grant, WallTime now);
// When, after `now`, a grant begins or ends next: decisions made before do not hold beyond it.
std::optional<WallTime> next_boundary(const Snapshot& snapshot, WallTime now);

// Resources that the account may use, by name. `until`: when, after `now`, one of its grants begins or ends next.
std::vector<const Resource*> usable_resources(const Snapshot& snapshot, std::string_view account, WallTime now,
                                              const AccessIndex* access = nullptr,
                                              std::optional<WallTime>* until = nullptr);
// Nodes that may be the egress of the resource, by name: those it names, and the workers of clusters it names, else
// every relay, else every gateway; of these those that its peering groups and its egress filter admit
// (directory/egress.h says why); never a revoked one.
std::vector<const Node*> egress_nodes(const Snapshot& snapshot, const Resource& resource);
// Node ids that some usable resource of the account may be reached through: what a gateway lets it open.
std::vector<std::string> egress_nodes_of(const Snapshot& snapshot, std::string_view account, WallTime now);
// The same for every account that may use anything, by account id, in one pass over the directory.
std::map<std::string, std::vector<std::string>> egress_nodes_by_account(const Snapshot& snapshot, WallTime now);
bool may_be_egress(const Snapshot& snapshot, std::string_view node, std::string_view resource);

// 10000 + the protocol's port, or the next free one above it up to 32767, wrapping to 10000. Code::kLimit when all are
// taken.
Result<std::uint16_t> choose_local_port(const Snapshot& snapshot, std::uint16_t protocol_port);

// Rules of form for what people type; each error says what is allowed.
Result<> check_resource_name(std::string_view name);
Result<> check_role_name(std::string_view name);
Result<std::string> normalize_email(std::string_view email);

}  // namespace portolan::directory
