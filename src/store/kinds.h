// What the store must know of each kind of object: its table, its place in the snapshot, what must be unique and what
// it refers to. For store/, and for what control/ does alike for every kind.
#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "directory/decision.h"
#include "directory/model.h"

namespace portolan::store {

// Columns that are unique together; `second` may be empty. A secret value is not for messages.
struct UniqueKey {
  std::string_view first;
  std::string_view second = {};
  bool secret = false;
};
// A column with the id of another object.
struct Reference {
  std::string_view column;
  const char* table;
  std::string_view label;
};
struct KindInfo {
  std::string_view verb;    // begins activities: "role.created"
  std::string_view label;   // for people
  std::string_view prefix;  // of ids
  const char* table;
  std::span<const UniqueKey> unique;
  std::span<const Reference> references;
};

inline constexpr UniqueKey kByEmail[] = {{"email"}};
inline constexpr UniqueKey kByName[] = {{"name"}};
inline constexpr UniqueKey kByNameAndPort[] = {{"name"}, {"local_port"}};
inline constexpr UniqueKey kByToken[] = {{"token_hash", {}, true}};
inline constexpr UniqueKey kByAccountAndRole[] = {{"account", "role"}};
inline constexpr UniqueKey kByRoleAndResource[] = {{"role", "resource"}};

inline constexpr Reference kOfAccount[] = {{"account", "accounts", "account"}};
inline constexpr Reference kOfDevice[] = {{"account", "accounts", "account"}, {"device", "devices", "device"}};
inline constexpr Reference kOfAccountAndRole[] = {{"account", "accounts", "account"}, {"role", "roles", "role"}};
inline constexpr Reference kOfRoleAndResource[] = {{"role", "roles", "role"}, {"resource", "resources", "resource"}};

template <class Object>
inline constexpr KindInfo kKind = {};
template <>
inline constexpr KindInfo kKind<directory::Account> = {"account", "account", "a", "accounts", kByEmail, {}};
template <>
inline constexpr KindInfo kKind<directory::Device> = {"device", "device", "d", "devices", {}, kOfAccount};
template <>
inline constexpr KindInfo kKind<directory::SignIn> = {"sign_in", "sign-in", "si", "sign_ins", kByToken, kOfDevice};
template <>
inline constexpr KindInfo kKind<directory::ApiToken> = {"api_token",  "API token", "at",
                                                        "api_tokens", kByToken,    kOfAccount};
template <>
inline constexpr KindInfo kKind<directory::Role> = {"role", "role", "r", "roles", kByName, {}};
template <>
inline constexpr KindInfo kKind<directory::Membership> = {"membership",  "membership",      "m",
                                                          "memberships", kByAccountAndRole, kOfAccountAndRole};
template <>
inline constexpr KindInfo kKind<directory::Grant> = {"grant",           "grant", "g", "grants", kByRoleAndResource,
                                                     kOfRoleAndResource};
template <>
inline constexpr KindInfo kKind<directory::Resource> = {"resource", "resource", "rs", "resources", kByNameAndPort, {}};
template <>
inline constexpr KindInfo kKind<directory::Node> = {"node", "node", "n", "nodes", kByName, {}};
template <>
inline constexpr KindInfo kKind<directory::JoinToken> = {"join_token", "join token", "jt", "join_tokens", kByToken, {}};
template <>
inline constexpr KindInfo kKind<directory::Cluster> = {"cluster", "cluster", "c", "clusters", kByName, {}};
template <>
inline constexpr KindInfo kKind<directory::Authority> = {"authority", "authority", "ca", "authorities", {}, {}};
template <>
inline constexpr KindInfo kKind<directory::PeeringGroup> = {"peering_group",  "peering group", "pg",
                                                            "peering_groups", kByName,         {}};

template <class Object>
using Objects = std::map<std::string, Object, std::less<>>;

// The snapshot's map of one kind.
template <class Object>
inline constexpr auto kObjects = nullptr;
template <>
inline constexpr auto kObjects<directory::Account> = &directory::Snapshot::accounts;
template <>
inline constexpr auto kObjects<directory::Device> = &directory::Snapshot::devices;
template <>
inline constexpr auto kObjects<directory::SignIn> = &directory::Snapshot::sign_ins;
template <>
inline constexpr auto kObjects<directory::ApiToken> = &directory::Snapshot::api_tokens;
template <>
inline constexpr auto kObjects<directory::Role> = &directory::Snapshot::roles;
template <>
inline constexpr auto kObjects<directory::Membership> = &directory::Snapshot::memberships;
template <>
inline constexpr auto kObjects<directory::Grant> = &directory::Snapshot::grants;
template <>
inline constexpr auto kObjects<directory::Resource> = &directory::Snapshot::resources;
template <>
inline constexpr auto kObjects<directory::Node> = &directory::Snapshot::nodes;
template <>
inline constexpr auto kObjects<directory::JoinToken> = &directory::Snapshot::join_tokens;
template <>
inline constexpr auto kObjects<directory::Cluster> = &directory::Snapshot::clusters;
template <>
inline constexpr auto kObjects<directory::Authority> = &directory::Snapshot::authorities;
template <>
inline constexpr auto kObjects<directory::PeeringGroup> = &directory::Snapshot::peering_groups;

}  // namespace portolan::store
