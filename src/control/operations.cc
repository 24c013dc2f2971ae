#include "control/operations.h"

#include "api/admin.h"
#include "api/agent.h"
#include "api/apply.h"
#include "api/audit.h"
#include "api/clusters.h"
#include "api/device.h"
#include "api/health.h"
#include "api/keys.h"
#include "api/lease.h"
#include "api/list.h"
#include "api/node.h"
#include "api/routing.h"
#include "api/sign_in.h"
#include "api/token.h"

namespace portolan::control {
namespace {

constexpr Parameter kTrust = {"trust", "version of the authorities that the caller has, or none: it is told of others"};
constexpr Parameter kFilter = {"filter", "terms apart by spaces, all of which must hold: name~bill tags.env=prod"};
constexpr Parameter kOrderBy = {"order_by", "a member, or \"MEMBER desc\""};
constexpr Parameter kLimit = {"limit", "1 to 1000; 100 if absent"};
constexpr Parameter kCursor = {"cursor", "that of the page before"};

// A list of the directory, with its exact filters.
template <class View>
Operation list(std::string_view route, std::string_view summary, std::vector<Parameter> exact) {
  std::vector<Parameter> parameters = {kFilter, kOrderBy, kLimit, kCursor};
  parameters.insert(parameters.end(), exact.begin(), exact.end());
  return {.route = route,
          .summary = summary,
          .answer = schema_of<api::Page<View>>,
          .line = schema_of<api::ListEvent<View>>,
          .parameters = std::move(parameters)};
}

template <class View>
Operation show(std::string_view route, std::string_view summary) {
  return {.route = route, .summary = summary, .answer = schema_of<View>};
}

template <class Body, class View>
Operation take(std::string_view route, std::string_view summary) {
  return {.route = route, .summary = summary, .request = schema_of<Body>, .answer = schema_of<View>};
}

template <class Body, class View>
Operation create(std::string_view route, std::string_view summary) {
  auto operation = take<Body, View>(route, summary);
  operation.creates = true;
  return operation;
}

Operation remove(std::string_view route, std::string_view summary) { return {.route = route, .summary = summary}; }

// A list of the audit: newest last.
template <class Entry>
Operation audit_list(std::string_view route, std::string_view summary, std::vector<Parameter> more) {
  std::vector<Parameter> parameters = {kLimit,
                                       {"cursor", "go on behind this one, oldest first; 0: from the oldest"},
                                       {"account", "an id or an e-mail address, also of one that has been removed"},
                                       {"resource", "an id or a name, also of one that has been removed"},
                                       {"from", "a time: at it or later"},
                                       {"to", "a time: before it"}};
  parameters.insert(parameters.end(), more.begin(), more.end());
  return {.route = route,
          .summary = summary,
          .answer = schema_of<api::Page<Entry>>,
          .line = schema_of<Entry>,
          .parameters = std::move(parameters)};
}

template <class Entry>
Operation chain_list(std::string_view route, std::string_view summary) {
  return {.route = route,
          .summary = summary,
          .answer = schema_of<api::Page<Entry>>,
          .parameters = {kLimit,
                         {"cursor", "go on behind this number"},
                         {"node", "the id of the node"},
                         {"chain", "the id of the chain"}}};
}

std::vector<Operation> first_contact() {
  return {
      {.route = "GET /", .summary = "a page that says what this is", .html = true},
      show<api::ServerHealth>("GET /v1/health", "whether this server answers, and what it is"),
      show<api::Jwks>("GET /.well-known/jwks.json", "the keys that sign identity tokens (RFC 7517), for applications"),
      show<json::Value>("GET /v1/openapi.json", "this document"),
      show<api::Trust>("GET /v1/trust", "the server CA; to be believed only after comparing its fingerprint"),
      take<api::SignInRequest, api::SignedIn>("POST /v1/sign-ins", "sign in by password, from a device with a key"),
      take<api::DeviceCodeRequest, api::DeviceCode>("POST /v1/device-codes",
                                                    "ask for a code that a person approves in a browser (RFC 8628)"),
      take<api::DeviceCodeQuestion, api::SignedIn>("POST /v1/device-codes/token",
                                                   "the sign-in, once the code has been approved"),
      {.route = "GET /activate",
       .summary = "the page where a person approves a device code",
       .parameters = {{"code", "the code that the device shows"}},
       .html = true},
      {.route = "POST /activate", .summary = "the form of that page; taken from nowhere else", .html = true},
      {.route = "POST /v1/sign-ins/current/certificate",
       .summary = "the device's certificate anew, for the same key, until the sign-in ends",
       .answer = schema_of<api::RenewedCertificate>},
      remove("DELETE /v1/sign-ins/current", "sign out: ends every sign-in of this device"),
      show<api::AccountView>("GET /v1/whoami", "the caller's own account"),
      {.route = "POST /v1/whoami/password",
       .summary = "change one's own password, by the old one",
       .request = schema_of<api::PasswordChange>},
      {.route = "GET /v1/agent",
       .summary = "what the agent may reach, and the way to it",
       .answer = schema_of<api::AgentView>,
       .line = schema_of<api::AgentEvent>},
  };
}

std::vector<Operation> of_nodes() {
  return {
      take<api::JoinRequest, api::Joined>("POST /v1/node/join", "make a node by a join token or a cluster's key"),
      {.route = "GET /v1/node",
       .summary = "what the node must know",
       .answer = schema_of<api::NodeView>,
       .line = schema_of<api::NodeEvent>,
       .parameters = {{"version", "what the node runs"},
                      {"address", "where a gateway is now"},
                      {"web_address", "where it takes links over WebSocket, if it does"},
                      kTrust}},
      {.route = "POST /v1/node/certificate",
       .summary = "the node's certificate anew, for the same name and key",
       .answer = schema_of<api::RenewedCertificate>},
      take<api::LiveSessions, api::LiveSessionsAnswer>("POST /v1/node/sessions", "which live sessions must end"),
      take<api::NodeHealth, api::NodeHealthAnswer>("POST /v1/node/health", "how the node is, and the checks to make"),
      take<api::AuditBatch, api::AuditAcknowledged>("POST /v1/node/audit", "hand over records that have no chain"),
      {.route = "POST /v1/node/audit/chain",
       .summary = "hand over records of a chain: on each line the place of one, and the members of its AuditRecord",
       .answer = schema_of<api::AuditAcknowledged>,
       .request_line = schema_of<api::ChainLine>},
      take<api::ChainHeads, api::AuditAcknowledged>("POST /v1/node/audit/heads",
                                                    "say, signed, how far chains are on the node's disk"),
      {.route = "POST /v1/leases",
       .summary = "permission and credential for one session's account",
       .request = schema_of<api::LeaseRequest>,
       .answer = schema_of<api::Lease>,
       .parameters = {{"understands", "the features that the node has, separated by commas"}}},
  };
}

std::vector<Operation> of_accounts() {
  return {
      list<api::ApiTokenView>("GET /v1/tokens", "API tokens: one's own, or for admins everybody's",
                              {{"account", "an id or an e-mail address"}, {"name", "exactly"}}),
      create<api::ApiTokenCreate, api::ApiTokenMade>("POST /v1/tokens", "a new API token, shown once"),
      show<api::ApiTokenView>("GET /v1/tokens/{token}", "one API token"),
      remove("DELETE /v1/tokens/{token}", "remove an API token"),
      list<api::AccountView>("GET /v1/accounts", "people and programs that may sign in",
                             {{"email", "exactly"}, {"name", "exactly"}, {"kind", "person or service"}}),
      create<api::AccountCreate, api::AccountView>("POST /v1/accounts", "a new account"),
      show<api::AccountView>("GET /v1/accounts/{account}", "one account"),
      take<api::AccountUpdate, api::AccountView>("PATCH /v1/accounts/{account}", "change, suspend or reinstate it"),
      remove("DELETE /v1/accounts/{account}", "remove it; what it uses now ends"),
      remove("DELETE /v1/accounts/{account}/lock", "let it sign in again at once after too many wrong passwords"),
      list<api::DeviceView>("GET /v1/devices", "installations from which people have signed in",
                            {{"account", "an id or an e-mail address"}, {"name", "exactly"}}),
      show<api::DeviceView>("GET /v1/devices/{device}", "one device"),
      remove("DELETE /v1/devices/{device}", "remove a lost device; its sign-ins and sessions end"),
  };
}

std::vector<Operation> of_access() {
  return {
      list<api::RoleView>("GET /v1/roles", "roles", {{"name", "exactly"}}),
      create<api::RoleCreate, api::RoleView>("POST /v1/roles", "a new role"),
      show<api::RoleView>("GET /v1/roles/{role}", "one role"),
      take<api::RoleUpdate, api::RoleView>("PATCH /v1/roles/{role}", "rename it"),
      remove("DELETE /v1/roles/{role}", "remove it, with its memberships and grants"),
      list<api::MembershipView>("GET /v1/memberships", "which accounts have which roles",
                                {{"account", "an id or an e-mail address"}, {"role", "an id or a name"}}),
      create<api::MembershipCreate, api::MembershipView>("POST /v1/memberships", "give an account a role"),
      show<api::MembershipView>("GET /v1/memberships/{membership}", "one membership"),
      remove("DELETE /v1/memberships/{membership}", "take the role away; sessions that need it end"),
      list<api::GrantView>(
          "GET /v1/grants", "which roles may use which resources",
          {{"role", "an id or a name"}, {"resource", "an id or a name"}, {"state", "active, scheduled or ended"}}),
      create<api::GrantCreate, api::GrantView>("POST /v1/grants", "let a role use a resource, for a time or for good"),
      show<api::GrantView>("GET /v1/grants/{grant}", "one grant"),
      take<api::GrantUpdate, api::GrantView>("PATCH /v1/grants/{grant}", "change when it begins or ends"),
      remove("DELETE /v1/grants/{grant}", "remove it; sessions that need it end"),
      {.route = "GET /v1/access/explain",
       .summary = "whether an account may use a resource, and the chain of reasons",
       .answer = schema_of<api::ExplainView>,
       .parameters = {{"account", "an id or an e-mail address"}, {"resource", "an id or a name"}}},
      take<api::ApplyRequest, api::ApplyAnswer>("POST /v1/apply",
                                                "make many objects as they are described: all or none"),
  };
}

std::vector<Operation> of_infrastructure() {
  return {
      list<api::ResourceView>("GET /v1/resources", "what people want to reach",
                              {{"name", "exactly"}, {"type", "a protocol that is known"}}),
      create<api::ResourceCreate, api::ResourceView>("POST /v1/resources", "a new resource"),
      show<api::ResourceView>("GET /v1/resources/{resource}", "one resource"),
      take<api::ResourceUpdate, api::ResourceView>("PATCH /v1/resources/{resource}", "change it"),
      remove("DELETE /v1/resources/{resource}", "remove it, with its grants; its sessions end"),
      show<api::Page<api::ResourceHealthView>>("POST /v1/resources/{resource}/checks",
                                               "sign in to it now from each of its nodes"),
      {.route = "GET /v1/health/resources",
       .summary = "how each node reaches each resource",
       .answer = schema_of<api::Page<api::ResourceHealthView>>,
       .line = schema_of<api::ResourceHealthEvent>,
       .parameters = {kLimit,
                      kCursor,
                      {"resource", "an id or a name"},
                      {"node", "an id or a name"},
                      {"state", "healthy, unhealthy or unknown; not with watch=1"}}},
      {.route = "GET /v1/health/nodes",
       .summary = "how each node is",
       .answer = schema_of<api::Page<api::NodeStatusView>>,
       .line = schema_of<api::NodeHealthEvent>,
       .parameters = {kLimit, kCursor}},
      list<api::NodeStatusView>("GET /v1/nodes", "gateways, relays and workers, and whether they are there",
                                {{"name", "exactly"},
                                 {"kind", "gateway, relay, worker, bridge-worker or bridged-worker"},
                                 {"state", "up, down, new or revoked"},
                                 {"cluster", "an id or a name"}}),
      show<api::NodeStatusView>("GET /v1/nodes/{node}", "one node"),
      take<api::NodeUpdate, api::NodeStatusView>("PATCH /v1/nodes/{node}", "rename it, or change its tags"),
      remove("DELETE /v1/nodes/{node}", "revoke it for good"),
      list<api::JoinTokenView>("GET /v1/join-tokens", "tokens by which nodes join",
                               {{"kind", "gateway or relay"}, {"name", "exactly"}}),
      create<api::JoinTokenCreate, api::JoinTokenMade>("POST /v1/join-tokens", "a new join token, shown once"),
      show<api::JoinTokenView>("GET /v1/join-tokens/{token}", "one join token"),
      remove("DELETE /v1/join-tokens/{token}", "remove it"),
      take<api::RevokeJoining, api::JoiningRevoked>("POST /v1/join-tokens/{token}/revoke",
                                                    "take it back, and, with `nodes`, the nodes that came by it"),
  };
}

std::vector<Operation> of_clusters() {
  return {
      list<api::ClusterView>("GET /v1/clusters", "proxy clusters", {{"name", "exactly"}}),
      create<api::ClusterCreate, api::ClusterView>("POST /v1/clusters", "a new proxy cluster"),
      show<api::ClusterView>("GET /v1/clusters/{cluster}", "one cluster"),
      take<api::ClusterUpdate, api::ClusterView>("PATCH /v1/clusters/{cluster}", "change its name, address or tags"),
      remove("DELETE /v1/clusters/{cluster}", "remove it, with its keys, when it has no workers any more"),
      list<api::ClusterKeyView>("GET /v1/cluster-keys", "keys by which workers join their cluster",
                                {{"cluster", "an id or a name"}}),
      create<api::ClusterKeyCreate, api::ClusterKeyMade>("POST /v1/cluster-keys", "a new key, shown once"),
      show<api::ClusterKeyView>("GET /v1/cluster-keys/{key}", "one key"),
      take<api::RevokeJoining, api::JoiningRevoked>("POST /v1/cluster-keys/{key}/revoke",
                                                    "take it back, and, with `nodes`, the workers that came by it"),
  };
}

std::vector<Operation> of_routing() {
  return {
      list<api::PeeringGroupView>("GET /v1/peering-groups", "nodes and resources that belong together",
                                  {{"name", "exactly"}}),
      create<api::PeeringGroupCreate, api::PeeringGroupView>("POST /v1/peering-groups", "a new peering group"),
      show<api::PeeringGroupView>("GET /v1/peering-groups/{group}", "one peering group"),
      take<api::PeeringGroupUpdate, api::PeeringGroupView>(
          "PATCH /v1/peering-groups/{group}", "change it; each list that is given replaces the one before"),
      remove("DELETE /v1/peering-groups/{group}", "remove it; its members are in it no more"),
      {.route = "GET /v1/resources/{resource}/route",
       .summary = "the way that a new session would take now, and why",
       .answer = schema_of<api::RouteView>,
       .parameters = {{"account", "an id or an e-mail address: whether it may use the resource"}}},
  };
}

std::vector<Operation> of_keys() {
  using Keys = api::Page<api::KeyView>;
  return {
      {.route = "GET /v1/keys",
       .summary = "the certificate authorities, the identity keys and the sealing key",
       .answer = schema_of<Keys>,
       .parameters = {kLimit,
                      kCursor,
                      {"purpose", "user, node, server, identity or sealing"},
                      {"state", "announced, signing or retiring"}}},
      take<api::KeyRotate, Keys>("POST /v1/keys/{purpose}/rotate", "announce a new authority in place of this one"),
      show<Keys>("POST /v1/keys/{purpose}/activate", "let the announced authority sign now"),
      take<api::KeyFinish, Keys>("POST /v1/keys/{purpose}/finish", "trust the old authority no more"),
  };
}

std::vector<Operation> of_audit() {
  return {
      audit_list<api::SessionEntry>("GET /v1/sessions", "sessions that go on", {{"session", "an id"}}),
      show<api::SessionEntry>("GET /v1/sessions/{session}", "one session, ended or not"),
      remove("DELETE /v1/sessions/{session}", "end it at its node"),
      audit_list<api::SessionEntry>("GET /v1/audit/sessions", "sessions", {{"session", "an id"}}),
      audit_list<api::AuditRecord>(
          "GET /v1/audit/queries", "queries, and requests to web resources",
          {{"session", "an id"}, {"text", "what their text has in it, ASCII letters in either case; needs from"}}),
      {.route = "GET /v1/audit/chains",
       .summary = "the chains that nodes' records form, and the keys that sign them",
       .answer = schema_of<api::Page<api::ChainView>>,
       .parameters = {kLimit}},
      chain_list<api::ChainedRecord>("GET /v1/audit/chain", "the records of one chain, as they were hashed"),
      chain_list<api::ChainHead>("GET /v1/audit/heads", "what the node has signed of one chain"),
      audit_list<api::ActivityView>("GET /v1/audit/activities", "changes, by whom, with before and after", {}),
  };
}

std::vector<Operation> all_operations() {
  std::vector<Operation> all;
  for (auto part :
       {first_contact, of_nodes, of_accounts, of_access, of_infrastructure, of_clusters, of_routing, of_keys, of_audit})
    for (auto& operation : part()) all.push_back(std::move(operation));
  return all;
}

}  // namespace

std::span<const Operation> operations() {
  static const std::vector<Operation> all = all_operations();
  return all;
}

int success_status(const Operation& operation) {
  if (!operation.answer && !operation.html) return 204;
  constexpr std::string_view kAnswersAtOnce[] = {"POST /v1/node/sessions",
                                                 "POST /v1/node/audit",
                                                 "POST /v1/node/audit/chain",
                                                 "POST /v1/node/audit/heads",
                                                 "POST /v1/node/health",
                                                 "POST /v1/leases",
                                                 "POST /v1/resources/{resource}/checks",
                                                 "POST /v1/keys/{purpose}/rotate",
                                                 "POST /v1/keys/{purpose}/activate",
                                                 "POST /v1/keys/{purpose}/finish",
                                                 "POST /v1/join-tokens/{token}/revoke",
                                                 "POST /v1/cluster-keys/{key}/revoke",
                                                 "POST /v1/apply"};
  const bool makes = operation.route.starts_with("POST ") && !operation.html &&
                     std::ranges::find(kAnswersAtOnce, operation.route) == std::end(kAnswersAtOnce);
  return makes ? 201 : 200;
}

}  // namespace portolan::control
