// Administration of the directory: what is asked and what is shown. Secrets go in and never come out.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/list.h"
#include "api/node_facts.h"
#include "api/resources.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"

namespace portolan::api {

// ---- administration: /v1/accounts, /v1/roles, … ----
// `revision`, everywhere: the directory's revision of the object's last change. It is the object's ETag, and what
// If-Match of a PATCH or DELETE compares.
struct AccountView {
  std::string id;
  std::string email;
  std::string name;
  bool admin = false;
  bool suspended = false;
  WallTime created{};
  std::string kind = "person";
  bool has_password = false;
  std::uint64_t revision = 0;
  std::optional<WallTime> locked_until = {};  // after too many wrong passwords; raises no revision
};
BOOST_DESCRIBE_STRUCT(AccountView, (),
                      (id, email, name, admin, suspended, created, kind, has_password, revision, locked_until))
struct AccountCreate {
  std::string email;
  std::optional<std::string> name = {};
  std::optional<bool> admin = {};
  std::optional<Secret> password = {};
  std::optional<std::string> kind = {};  // "person" or "service", which has no password
};
BOOST_DESCRIBE_STRUCT(AccountCreate, (), (email, name, admin, password, kind))
struct AccountUpdate {
  std::optional<std::string> name = {};
  std::optional<bool> admin = {};
  std::optional<bool> suspended = {};
  std::optional<Secret> password = {};
};
BOOST_DESCRIBE_STRUCT(AccountUpdate, (), (name, admin, suspended, password))

struct RoleView {
  std::string id;
  std::string name;
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(RoleView, (), (id, name, created, revision))
struct RoleCreate {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(RoleCreate, (), (name))
struct RoleUpdate {
  std::optional<std::string> name = {};
};
BOOST_DESCRIBE_STRUCT(RoleUpdate, (), (name))

struct MembershipView {
  std::string id;
  std::string account;
  std::string role;
  WallTime created{};
  std::string email;      // of the account
  std::string role_name;  // of the role
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(MembershipView, (), (id, account, role, created, email, role_name, revision))
struct MembershipCreate {
  std::string account;  // id or e-mail
  std::string role;     // id or name
};
BOOST_DESCRIBE_STRUCT(MembershipCreate, (), (account, role))

struct GrantView {
  std::string id;
  std::string role;
  std::string resource;
  WallTime created{};
  std::string role_name;
  std::string resource_name;
  std::optional<WallTime> starts = {};  // absent: in force since it was made
  std::optional<WallTime> ends = {};    // absent: until it is removed
  std::string state = "active";         // or "scheduled", "ended"
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(GrantView, (),
                      (id, role, resource, created, role_name, resource_name, starts, ends, state, revision))
struct GrantCreate {
  std::string role;      // id or name
  std::string resource;  // id or name
  std::optional<WallTime> starts = {};
  std::optional<WallTime> ends = {};
};
BOOST_DESCRIBE_STRUCT(GrantCreate, (), (role, resource, starts, ends))
// `no_start` and `no_end` take the bounds away.
struct GrantUpdate {
  std::optional<WallTime> starts = {};
  std::optional<WallTime> ends = {};
  std::optional<bool> no_start = {};
  std::optional<bool> no_end = {};
};
BOOST_DESCRIBE_STRUCT(GrantUpdate, (), (starts, ends, no_start, no_end))

struct NodeStatusView {
  std::string id;
  std::string name;
  std::string kind;  // "gateway", "relay", "worker", "bridge-worker", "bridged-worker"
  std::string address;
  std::string state;  // "up", "down", "new", "revoked"
  std::optional<WallTime> last_seen = {};
  std::string version;
  std::uint64_t sessions = 0;
  WallTime created{};
  std::optional<WallTime> since = {};      // of the state
  std::optional<std::string> reason = {};  // what is wrong with it, in words
  std::optional<NodeFacts> facts = {};     // absent: its version does not report them, or it has not yet
  std::uint64_t revision = 0;
  std::optional<std::string> cluster = {};       // of a worker
  std::optional<std::string> cluster_name = {};  // as it is called now
  std::optional<std::string> joined_by = {};     // the join token's or key's id
  std::map<std::string, std::string> tags = {};
};
BOOST_DESCRIBE_STRUCT(NodeStatusView, (),
                      (id, name, kind, address, state, last_seen, version, sessions, created, since, reason, facts,
                       revision, cluster, cluster_name, joined_by, tags))
struct NodeUpdate {
  std::optional<std::string> name = {};
  std::optional<std::map<std::string, std::string>> tags = {};  // all of them, in the place of those before
};
BOOST_DESCRIBE_STRUCT(NodeUpdate, (), (name, tags))

struct JoinTokenCreate {
  std::string kind;  // "gateway", "relay"
  std::optional<std::string> name = {};
  std::optional<std::string> life = {};    // a duration, at most 7d; default 1h
  std::optional<std::uint64_t> uses = {};  // how many nodes it makes; default 1. With a name it makes one
  std::optional<std::vector<std::string>> networks = {};  // "10.0.0.0/8": from where only
};
BOOST_DESCRIBE_STRUCT(JoinTokenCreate, (), (kind, name, life, uses, networks))
struct JoinTokenMade {
  std::string id;
  std::string kind;
  Secret token;  // shown once; contains the server CA's SHA-256
  WallTime ends{};
};
BOOST_DESCRIBE_STRUCT(JoinTokenMade, (), (id, kind, token, ends))
struct JoinTokenView {
  std::string id;
  std::string kind;
  std::string name;
  std::string used_by;  // the last node that came by it
  WallTime created{};
  WallTime ends{};
  std::uint64_t revision = 0;
  std::string state = "valid";  // "valid", "ended", "used_up", "revoked"
  std::uint64_t uses = 0;
  std::uint64_t uses_limit = 1;
  std::optional<WallTime> last_used = {};
  std::vector<std::string> networks = {};
};
BOOST_DESCRIBE_STRUCT(JoinTokenView, (),
                      (id, kind, name, used_by, created, ends, revision, state, uses, uses_limit, last_used, networks))

struct ActivityView {
  std::string id;
  std::uint64_t revision = 0;
  WallTime time{};
  std::string actor;
  std::string verb;
  std::string object;
  std::string before;
  std::string after;
  // As they were called then; empty: it was before names were noted.
  std::string actor_name;   // e-mail address, node or "system"
  std::string object_name;  // of a membership "ACCOUNT → ROLE", of a grant "ROLE → RESOURCE"
};
BOOST_DESCRIBE_STRUCT(ActivityView, (),
                      (id, revision, time, actor, verb, object, before, after, actor_name, object_name))

struct ExplainView {
  bool allowed = false;
  std::string code;
  std::vector<std::string> reasons = {};
  std::vector<std::string> egress = {};      // names of the nodes that would be used
  std::optional<WallTime> valid_until = {};  // when the grants that allow it end
};
BOOST_DESCRIBE_STRUCT(ExplainView, (), (allowed, code, reasons, egress, valid_until))

}  // namespace portolan::api

// What they have more than in the release before.
#define PORTOLAN_API_GREW(View) \
  template <>                   \
  inline constexpr bool portolan::json::kMissingIsDefault<portolan::api::View> = true;
PORTOLAN_API_GREW(AccountView)
PORTOLAN_API_GREW(RoleView)
PORTOLAN_API_GREW(MembershipView)
PORTOLAN_API_GREW(GrantView)
PORTOLAN_API_GREW(ResourceView)
PORTOLAN_API_GREW(NodeStatusView)
PORTOLAN_API_GREW(JoinTokenView)
PORTOLAN_API_GREW(ActivityView)
#undef PORTOLAN_API_GREW
