// Administration of the directory: what is asked and what is shown. Secrets go in and never come out.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "api/node_facts.h"
#include "base/bytes.h"
#include "base/clock.h"

namespace portolan::api {

// ---- administration: /v1/accounts, /v1/roles, … ----
struct AccountView {
  std::string id;
  std::string email;
  std::string name;
  bool admin = false;
  bool suspended = false;
  WallTime created{};
};
BOOST_DESCRIBE_STRUCT(AccountView, (), (id, email, name, admin, suspended, created))
struct AccountCreate {
  std::string email;
  std::optional<std::string> name;
  std::optional<bool> admin;
  std::optional<Secret> password;
};
BOOST_DESCRIBE_STRUCT(AccountCreate, (), (email, name, admin, password))
struct AccountUpdate {
  std::optional<std::string> name;
  std::optional<bool> admin;
  std::optional<bool> suspended;
  std::optional<Secret> password;
};
BOOST_DESCRIBE_STRUCT(AccountUpdate, (), (name, admin, suspended, password))

struct RoleView {
  std::string id;
  std::string name;
  WallTime created{};
};
BOOST_DESCRIBE_STRUCT(RoleView, (), (id, name, created))
struct RoleCreate {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(RoleCreate, (), (name))

struct MembershipView {
  std::string id;
  std::string account;
  std::string role;
  WallTime created{};
};
BOOST_DESCRIBE_STRUCT(MembershipView, (), (id, account, role, created))
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
};
BOOST_DESCRIBE_STRUCT(GrantView, (), (id, role, resource, created))
struct GrantCreate {
  std::string role;      // id or name
  std::string resource;  // id or name
};
BOOST_DESCRIBE_STRUCT(GrantCreate, (), (role, resource))

struct ResourceView {
  std::string id;
  std::string name;
  std::string type;
  std::string host;
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;
  std::map<std::string, std::string> settings;
  std::string username;
  bool has_password = false;
  std::vector<std::string> egress_nodes;
  WallTime created{};
};
BOOST_DESCRIBE_STRUCT(ResourceView, (),
                      (id, name, type, host, port, local_port, settings, username, has_password, egress_nodes, created))
struct ResourceCreate {
  std::string name;
  std::string type;
  std::string host;
  std::optional<std::uint16_t> port;
  std::optional<std::uint16_t> local_port;
  std::optional<std::map<std::string, std::string>> settings;
  std::optional<std::string> username;
  std::optional<Secret> password;
  std::optional<std::vector<std::string>> egress_nodes;
};
BOOST_DESCRIBE_STRUCT(ResourceCreate, (),
                      (name, type, host, port, local_port, settings, username, password, egress_nodes))
struct ResourceUpdate {
  std::optional<std::string> name;
  std::optional<std::string> host;
  std::optional<std::uint16_t> port;
  std::optional<std::uint16_t> local_port;
  std::optional<std::map<std::string, std::string>> settings;
  std::optional<std::string> username;
  std::optional<Secret> password;
  std::optional<std::vector<std::string>> egress_nodes;
};
BOOST_DESCRIBE_STRUCT(ResourceUpdate, (), (name, host, port, local_port, settings, username, password, egress_nodes))

struct NodeStatusView {
  std::string id;
  std::string name;
  std::string kind;
  std::string address;
  std::string state;  // "up", "down", "new", "revoked"
  std::optional<WallTime> last_seen;
  std::string version;
  std::uint64_t sessions = 0;
  WallTime created{};
  std::optional<WallTime> since = {};      // of the state
  std::optional<std::string> reason = {};  // what is wrong with it, in words
  std::optional<NodeFacts> facts = {};     // absent: its version does not report them, or it has not yet
};
BOOST_DESCRIBE_STRUCT(NodeStatusView, (),
                      (id, name, kind, address, state, last_seen, version, sessions, created, since, reason, facts))

struct JoinTokenCreate {
  std::string kind;  // "gateway", "relay"
  std::optional<std::string> name;
  std::optional<std::string> life;  // a duration, at most 7d; default 1h
};
BOOST_DESCRIBE_STRUCT(JoinTokenCreate, (), (kind, name, life))
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
  std::string used_by;
  WallTime created{};
  WallTime ends{};
};
BOOST_DESCRIBE_STRUCT(JoinTokenView, (), (id, kind, name, used_by, created, ends))

struct ActivityView {
  std::string id;
  std::uint64_t revision = 0;
  WallTime time{};
  std::string actor;
  std::string verb;
  std::string object;
  std::string before;
  std::string after;
};
BOOST_DESCRIBE_STRUCT(ActivityView, (), (id, revision, time, actor, verb, object, before, after))

struct ExplainView {
  bool allowed = false;
  std::string code;
  std::vector<std::string> reasons;
  std::vector<std::string> egress;  // names of the nodes that would be used
};
BOOST_DESCRIBE_STRUCT(ExplainView, (), (allowed, code, reasons, egress))

// Every list answers so; `cursor` is absent on the last page.
template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> cursor;
  BOOST_DESCRIBE_CLASS(Page, (), (items, cursor), (), ())
};

}  // namespace portolan::api
