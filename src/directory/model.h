// The directory: who exists, what exists, and who may use what. Plain values, as the store keeps them; no secret in the
// clear (passwords are hashes, resource secrets are sealed, tokens are hashes).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"

namespace portolan::directory {

struct Account {
  std::string id;     // a-…
  std::string email;  // unique, lower case
  std::string name;
  bool admin = false;
  bool suspended = false;
  std::string password_hash;  // PHC text; empty: cannot sign in by password
  WallTime created{};
  std::string kind = "person";  // or "service": a program, which has API tokens and no password
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Account, (), (id, email, name, admin, suspended, password_hash, created, kind, revision))

// A client installation of one account. Stable over certificate renewals.
struct Device {
  std::string id;  // d-…
  std::string account;
  std::string name;        // "laptop", for people
  std::string public_key;  // PEM; what access assertions are signed with
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Device, (), (id, account, name, public_key, created, revision))

// A certificate that was given to a node or for a sign-in. `state`: "current"; "pending", given out and not seen in use
// yet; "replaced" by one that is in use. They are on record until they end, so that all of them can be denied.
struct HeldCertificate {
  std::string serial;
  std::string authority;  // ca-…; empty: not known
  WallTime ends{};
  std::string state;
};
BOOST_DESCRIBE_STRUCT(HeldCertificate, (), (serial, authority, ends, state))

// From signing in to signing out or the absolute end.
struct SignIn {
  std::string id;  // si-…
  std::string account;
  std::string device;
  std::string token_hash;  // hex SHA-256 of the API token given out with it
  std::string certificate_serial;
  WallTime created{};
  WallTime ends{};
  bool ended = false;
  std::vector<HeldCertificate> certificates = {};  // oldest first; directory/certificates.h
};
BOOST_DESCRIBE_STRUCT(SignIn, (),
                      (id, account, device, token_hash, certificate_serial, created, ends, ended, certificates))

// How a script proves who it is: by a bearer token, or by a key of its own with which it signs each request.
struct ApiToken {
  std::string id;  // at-…
  std::string account;
  std::string name;
  std::string token_hash;  // unique; of a key: "key:" and the key's SHA-256
  WallTime created{};
  std::optional<WallTime> ends = {};
  std::vector<std::string> permissions = {};  // "resources:read"; "all": whatever its account may
  std::string public_key = {};                // PEM (Ed25519); empty: a bearer token
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(ApiToken, (), (id, account, name, token_hash, created, ends, permissions, public_key, revision))

struct Role {
  std::string id;    // r-…
  std::string name;  // unique
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Role, (), (id, name, created, revision))

// An account has a role.
struct Membership {
  std::string id;  // m-…
  std::string account;
  std::string role;
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Membership, (), (id, account, role, created, revision))

// A role may use a resource, from `starts` (absent: at once) until before `ends` (absent: until it is removed).
struct Grant {
  std::string id;  // g-…
  std::string role;
  std::string resource;
  WallTime created{};
  std::optional<WallTime> starts = {};
  std::optional<WallTime> ends = {};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Grant, (), (id, role, resource, created, starts, ends, revision))

struct Resource {
  std::string id;    // rs-…
  std::string name;  // unique: [a-z0-9][a-z0-9-]{0,62}
  std::string type;  // a row of the protocol registry: "postgres", "tcp"
  std::string host;
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;  // unique in the organisation, 10000–32767
  std::map<std::string, std::string>
      settings;  // the protocol's own, checked by its registry row: database, tls, tls_ca, tls_server_name …
  std::string username;
  std::string sealed_password;                 // crypto/sealing.h, context "resource/ID/password"; empty: none
  std::vector<std::string> egress_nodes = {};  // of nodes and clusters; empty: any relay, else any gateway
  WallTime created{};
  std::map<std::string, std::string> tags = {};
  std::string sealed_tls_key = {};  // of the certificate in the settings; context "resource/ID/tls_key"; empty: none
  std::uint64_t revision = 0;
  std::string egress_filter = {};  // which nodes may be its egress: directory/egress_filter.h; empty: all
};
BOOST_DESCRIBE_STRUCT(Resource, (),
                      (id, name, type, host, port, local_port, settings, username, sealed_password, egress_nodes,
                       created, tags, sealed_tls_key, revision, egress_filter))

struct Node {
  std::string id;          // n-…
  std::string name;        // unique
  std::string kind;        // "gateway", "relay", or of a cluster: directory/placement.h
  std::string address;     // advertised host:port of one that listens; empty for others
  std::string public_key;  // PEM
  std::string certificate_serial;
  bool revoked = false;
  WallTime created{};
  std::uint64_t revision = 0;
  std::vector<HeldCertificate> certificates = {};  // oldest first; directory/certificates.h
  std::string cluster = {};                        // c-… of a worker
  std::string joined_by = {};                      // jt-…
  std::map<std::string, std::string> tags = {};
};
BOOST_DESCRIBE_STRUCT(Node, (),
                      (id, name, kind, address, public_key, certificate_serial, revoked, created, revision,
                       certificates, cluster, joined_by, tags))

// Explicit routing: nodes and resources that belong together, and the groups that theirs may be linked with
// (directory/peering.h). Lists of ids, sorted, each once; a group is among the peers of each of its peers.
struct PeeringGroup {
  std::string id;    // pg-…
  std::string name;  // unique
  std::vector<std::string> nodes = {};
  std::vector<std::string> resources = {};
  std::vector<std::string> peers = {};
  WallTime created{};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(PeeringGroup, (), (id, name, nodes, resources, peers, created, revision))

// A proxy cluster: interchangeable workers behind one address.
struct Cluster {
  std::string id;        // c-…
  std::string name;      // unique
  std::string address;   // host:port that clients dial
  bool bridged = false;  // bridge workers take clients and pass them on to workers that listen on nothing
  WallTime created{};
  std::map<std::string, std::string> tags = {};
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Cluster, (), (id, name, address, bridged, created, tags, revision))

// What nodes join by: a token for one node, or several, of a kind; or a key of a proxy cluster, for workers of it.
struct JoinToken {
  std::string id;    // jt-…
  std::string kind;  // "gateway", "relay"; of a cluster's key "worker"
  std::string name;  // the node's name to be; empty: the node chooses. Of a cluster's key: for people
  std::string token_hash;
  WallTime created{};
  WallTime ends{};               // kNoEnd: it does not end
  std::string used_by;           // node id, of the last one; empty: not used
  std::string cluster = {};      // c-…, of a cluster's key
  std::uint64_t uses_limit = 1;  // how many nodes it makes; 0: any number
  std::uint64_t uses = 0;
  std::optional<WallTime> last_used = {};
  std::vector<std::string> networks = {};  // from which it is taken ("10.0.0.0/8"); empty: from anywhere
  bool revoked = false;
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(JoinToken, (),
                      (id, kind, name, token_hash, created, ends, used_by, cluster, uses_limit, uses, last_used,
                       networks, revoked, revision))
inline constexpr WallTime kNoEnd{std::chrono::seconds(253'402'300'799)};  // 9999-12-31T23:59:59Z

// A certificate authority of the organisation. `state`: "announced", trusted beside the one that signs, so that all
// know it before it signs; "signing", one for each purpose; "retiring", still trusted until its last leaves have ended.
struct Authority {
  std::string id;       // ca-…
  std::string purpose;  // "user", "node", "server"; "identity": no authority, a key of tokens
  std::string state;
  std::string certificate;  // PEM; of "identity" the public key
  std::string sealed_key;   // crypto/sealing.h, context "authority/ID/key"
  WallTime created{};
  std::optional<WallTime> signs_since;
  std::optional<WallTime> activates;  // of an announced one: it signs from then on at the latest
  std::optional<WallTime> retires;    // of a retiring one: it is not trusted any more from then on
  std::uint64_t overlap_ms = 0;       // for how long the one before it stays trusted once it signs
  std::uint64_t revision = 0;
};
BOOST_DESCRIBE_STRUCT(Authority, (),
                      (id, purpose, state, certificate, sealed_key, created, signs_since, activates, retires,
                       overlap_ms, revision))

// A change, written in the same transaction as the change itself.
struct Activity {
  std::string id;  // ac-…
  std::uint64_t revision = 0;
  WallTime time{};
  std::string actor;   // account id, node id or "system"
  std::string verb;    // "resource.created"
  std::string object;  // the changed object's id
  std::string before;  // JSON without secrets; empty for a creation
  std::string after;   // empty for a deletion
  // As people called them then, since they may be called otherwise, or be gone, when it is read.
  std::string actor_name = {};
  std::string object_name = {};
};
BOOST_DESCRIBE_STRUCT(Activity, (), (id, revision, time, actor, verb, object, before, after, actor_name, object_name))

}  // namespace portolan::directory
