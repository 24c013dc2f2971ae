// POST /v1/apply: many objects of the directory at once, all or none. What an entry does not say of its object is left
// as it is; objects are found by their natural keys: an account by its e-mail address, a role and a resource by name.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/bytes.h"

namespace portolan::api {

inline constexpr std::size_t kApplyEntries = 100'000;  // of all kinds together, roles of accounts and grants among them

struct ApplyAccount {
  std::string email;
  std::optional<std::string> name = {};
  std::optional<bool> admin = {};
  std::optional<bool> suspended = {};
  std::optional<std::string> kind = {};  // "person" or "service"; of one that exists it cannot be changed
  // Names of roles that it shall have. With `prune` it loses all others.
  std::optional<std::vector<std::string>> roles = {};
};
BOOST_DESCRIBE_STRUCT(ApplyAccount, (), (email, name, admin, suspended, kind, roles))

// `from` and `until`: a time, or "none" for no such bound.
struct ApplyGrant {
  std::string resource;
  std::optional<std::string> from = {};
  std::optional<std::string> until = {};
};
BOOST_DESCRIBE_STRUCT(ApplyGrant, (), (resource, from, until))

struct ApplyRole {
  std::string name;
  // What it may use. With `prune` it loses all other grants.
  std::optional<std::vector<ApplyGrant>> grants = {};
};
BOOST_DESCRIBE_STRUCT(ApplyRole, (), (name, grants))

// As ResourceCreate; `type` and `host` may be absent where the resource exists. `settings`, `egress_nodes` and `tags`
// are said as a whole.
struct ApplyResource {
  std::string name;
  std::optional<std::string> type = {};
  std::optional<std::string> host = {};
  std::optional<std::uint16_t> port = {};
  std::optional<std::uint16_t> local_port = {};
  std::optional<std::map<std::string, std::string>> settings = {};
  std::optional<std::string> username = {};
  std::optional<Secret> password = {};
  std::optional<Secret> tls_key = {};
  std::optional<std::vector<std::string>> egress_nodes = {};
  std::optional<std::map<std::string, std::string>> tags = {};
  std::optional<bool> keep_password = {};  // as in ResourceUpdate
  std::optional<std::string> egress_filter = {};
};
BOOST_DESCRIBE_STRUCT(ApplyResource, (),
                      (name, type, host, port, local_port, settings, username, password, tls_key, egress_nodes, tags,
                       keep_password, egress_filter))

// Lists are said as a whole: `nodes`, and names of resources and groups, also of those that this apply makes. A group
// that is somebody's peer has it as its peer; what two groups say of each other must not contradict.
struct ApplyPeeringGroup {
  std::string name;
  std::optional<std::vector<std::string>> nodes = {};
  std::optional<std::vector<std::string>> resources = {};
  std::optional<std::vector<std::string>> peers = {};
};
BOOST_DESCRIBE_STRUCT(ApplyPeeringGroup, (), (name, nodes, resources, peers))

// As ClusterCreate; `address` may be absent where the cluster exists. `tags` are said as a whole.
struct ApplyCluster {
  std::string name;
  std::optional<std::string> address = {};
  std::optional<bool> bridged = {};  // of one that exists it cannot be changed
  std::optional<std::map<std::string, std::string>> tags = {};
};
BOOST_DESCRIBE_STRUCT(ApplyCluster, (), (name, address, bridged, tags))

struct ApplyRequest {
  std::optional<bool> dry_run = {};  // says what would be done, and does nothing
  // Removes accounts, roles, resources and peering groups that are not named, of those kinds that are there at all (an
  // empty list is: it removes all of them).
  std::optional<bool> prune = {};
  // The plan of an answer before: done only if exactly that would be done now. Code "stale" (412) else.
  std::optional<std::string> plan = {};
  std::optional<std::vector<ApplyAccount>> accounts = {};
  std::optional<std::vector<ApplyRole>> roles = {};
  std::optional<std::vector<ApplyResource>> resources = {};
  std::optional<std::vector<ApplyPeeringGroup>> peering_groups = {};
  std::optional<std::vector<ApplyCluster>> clusters = {};  // never pruned: workers hang on them
};
BOOST_DESCRIBE_STRUCT(ApplyRequest, (), (dry_run, prune, plan, accounts, roles, resources, peering_groups, clusters))

// One member that is changed: its value as text, without secrets; absent: it has none.
struct ApplyMember {
  std::string member;
  std::optional<std::string> before = {};
  std::optional<std::string> after = {};
};
BOOST_DESCRIBE_STRUCT(ApplyMember, (), (member, before, after))

struct ApplyChange {
  std::string action;  // "create", "update", "delete"
  // "account", "role", "membership", "cluster", "resource", "grant", "peering_group"
  std::string kind;
  std::string name;                        // of a membership the account's, of a grant the role's
  std::optional<std::string> target = {};  // of a membership the role, of a grant the resource
  std::vector<ApplyMember> members = {};   // of an update, and of a creation what it sets
};
BOOST_DESCRIBE_STRUCT(ApplyChange, (), (action, kind, name, target, members))

struct ApplyTotals {
  std::uint64_t created = 0;
  std::uint64_t updated = 0;
  std::uint64_t deleted = 0;
  std::uint64_t unchanged = 0;
};
BOOST_DESCRIBE_STRUCT(ApplyTotals, (), (created, updated, deleted, unchanged))

struct ApplyAnswer {
  bool dry_run = false;
  std::vector<ApplyChange> changes = {};  // in the order in which they are made
  ApplyTotals totals = {};
  std::string plan;  // names these changes
};
BOOST_DESCRIBE_STRUCT(ApplyAnswer, (), (dry_run, changes, totals, plan))

}  // namespace portolan::api
