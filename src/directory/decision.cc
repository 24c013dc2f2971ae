// Roles are the only way to a resource: account - membership - role - grant - resource. A reference to something that
// is not in the snapshot counts as absent, so a half-removed object can only ever take access away.
#include "directory/decision.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "directory/egress.h"

namespace portolan::directory {
namespace {

template <class T>
const T* find(const std::map<std::string, T, std::less<>>& objects, std::string_view id) {
  const auto it = objects.find(id);
  return it == objects.end() ? nullptr : &it->second;
}

template <class T>
const T* find_by(const std::map<std::string, T, std::less<>>& objects, std::string T::* field, std::string_view value) {
  const auto it = std::ranges::find_if(objects, [&](const auto& entry) { return entry.second.*field == value; });
  return it == objects.end() ? nullptr : &it->second;
}

// By name, so that people and programs see the same order every time.
template <class T>
void sort_by_name(std::vector<const T*>& objects) {
  std::ranges::sort(objects,
                    [](const T* a, const T* b) { return std::tie(a->name, a->id) < std::tie(b->name, b->id); });
}

std::string listed(const std::set<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + quoted(name);
  return out;
}

Decision refuse(std::string code, std::vector<std::string> reasons) {
  return {.allowed = false, .code = std::move(code), .reasons = std::move(reasons), .valid_until = std::nullopt};
}

// What the chains account - role - resource that were found come to. One that is in force is enough, and the decision
// holds as long as the one that lasts longest; else those that are not in force are the reasons.
class Verdict {
 public:
  explicit Verdict(WallTime now) : now_(now) {}

  void add(std::string membership, const Role& role, const Resource& resource, const Grant& grant) {
    const bool begun = !grant.starts || *grant.starts <= now_;
    const bool counts = in_force(grant, now_);
    const std::string who = "role " + quoted(role.name);
    const std::string what = " use resource " + quoted(resource.name);
    std::string grant_text = who + " may" + what + " (" + grant.id + ")";
    if (grant.ends && *grant.ends <= now_) {
      grant_text =
          who + " might" + what + " until " + to_rfc3339(*grant.ends) + "; that grant (" + grant.id + ") has ended";
    } else if (!begun) {
      grant_text = who + " may" + what + " only from " + to_rfc3339(*grant.starts) + " on; that grant (" + grant.id +
                   ") has not started yet";
    } else if (grant.ends) {
      grant_text += ", until " + to_rfc3339(*grant.ends);
    }
    auto& reasons = counts ? good_ : bad_;
    reasons.push_back(std::move(membership));
    reasons.push_back(std::move(grant_text));
    if (!counts) {
      to_come_ = to_come_ || !begun;
      return;
    }
    if (!grant.ends) lasting_ = true;
    if (grant.ends) until_ = std::max(until_.value_or(*grant.ends), *grant.ends);
  }

  template <class Explain>
  Decision decide(Explain explain_none) && {
    if (good_.empty() && bad_.empty()) return refuse("no_grant", explain_none());
    if (good_.empty()) return refuse(to_come_ ? "grant_not_begun" : "grant_ended", std::move(bad_));
    return {.allowed = true,
            .code = "granted",
            .reasons = std::move(good_),
            .valid_until = lasting_ ? std::nullopt : until_};
  }

 private:
  const WallTime now_;
  std::vector<std::string> good_;
  std::vector<std::string> bad_;
  bool lasting_ = false;
  bool to_come_ = false;
  std::optional<WallTime> until_;
};

// Those objects whose `field` is `value`, in the order of their ids; `ids` are theirs, if somebody knows. What the
// object says counts: an index that is behind can only take access away.
template <class T, class Visit>
void each_of(const std::map<std::string, T, std::less<>>& objects, std::string T::* field, std::string_view value,
             const AccessIndex::Ids* ids, Visit visit) {
  if (!ids) {
    for (const auto& [id, object] : objects)
      if (object.*field == value) visit(object);
    return;
  }
  for (const auto& id : *ids)
    if (const T* object = find(objects, id); object && object->*field == value) visit(*object);
}

template <class Visit>
void each_membership(const Snapshot& snapshot, std::string_view account, const AccessIndex* access, Visit visit) {
  each_of(snapshot.memberships, &Membership::account, account,
          access ? &access->memberships_of_account(account) : nullptr, visit);
}

template <class Visit>
void each_grant_of(const Snapshot& snapshot, std::string_view resource, const AccessIndex* access, Visit visit) {
  each_of(snapshot.grants, &Grant::resource, resource, access ? &access->grants_of_resource(resource) : nullptr, visit);
}

// Names of the account's roles, and of the roles that may use the resource: what a person needs to see what is missing.
std::vector<std::string> explain_no_grant(const Snapshot& snapshot, const Account& account, const Resource& resource,
                                          const AccessIndex* access) {
  std::set<std::string> has;
  std::set<std::string> may;
  each_membership(snapshot, account.id, access, [&](const Membership& membership) {
    if (const Role* role = find(snapshot.roles, membership.role)) has.insert(role->name);
  });
  each_grant_of(snapshot, resource.id, access, [&](const Grant& grant) {
    if (const Role* role = find(snapshot.roles, grant.role)) may.insert(role->name);
  });
  return {has.empty() ? account.email + " has no role" : account.email + " has only these roles: " + listed(has),
          may.empty() ? "no role may use resource " + quoted(resource.name)
                      : "only these roles may use resource " + quoted(resource.name) + ": " + listed(may)};
}

// Ids of the roles that the account has; none while it is suspended.
std::set<std::string, std::less<>> active_roles(const Snapshot& snapshot, std::string_view account,
                                                const AccessIndex* access) {
  std::set<std::string, std::less<>> roles;
  const Account* found = find(snapshot.accounts, account);
  if (!found || found->suspended) return roles;
  each_membership(snapshot, account, access, [&](const Membership& membership) {
    if (snapshot.roles.contains(membership.role)) roles.insert(membership.role);
  });
  return roles;
}

// Makes `next` the first time after `now` at which the grant begins or ends, if that is sooner.
void note_boundaries(const Grant& grant, WallTime now, std::optional<WallTime>& next) {
  for (const auto& time : {grant.starts, grant.ends})
    if (time && *time > now && (!next || *time < *next)) next = time;
}

}  // namespace

const Account* Snapshot::account_by_email(std::string_view email) const {
  return find_by(accounts, &Account::email, email);
}
const Resource* Snapshot::resource_by_name(std::string_view name) const {
  return find_by(resources, &Resource::name, name);
}
const Role* Snapshot::role_by_name(std::string_view name) const { return find_by(roles, &Role::name, name); }
const Node* Snapshot::node_by_name(std::string_view name) const { return find_by(nodes, &Node::name, name); }
const PeeringGroup* Snapshot::peering_group_by_name(std::string_view name) const {
  return find_by(peering_groups, &PeeringGroup::name, name);
}

bool in_force(const Grant& grant, WallTime now) {
  return (!grant.starts || *grant.starts <= now) && (!grant.ends || now < *grant.ends);
}

std::optional<WallTime> next_boundary(const Snapshot& snapshot, WallTime now) {
  std::optional<WallTime> next;
  for (const auto& [id, grant] : snapshot.grants) note_boundaries(grant, now, next);
  return next;
}

Decision allow(const Snapshot& snapshot, std::string_view account, std::string_view resource, WallTime now,
               const AccessIndex* access) {
  const Account* who = find(snapshot.accounts, account);
  if (!who) return refuse("unknown_account", {"there is no account " + quoted(account)});
  const Resource* what = find(snapshot.resources, resource);
  if (!what) return refuse("unknown_resource", {"there is no resource " + quoted(resource)});
  if (who->suspended) return refuse("account_suspended", {who->email + " is suspended"});

  std::map<std::string_view, const Grant*> grants;  // by role
  each_grant_of(snapshot, what->id, access, [&](const Grant& grant) { grants.emplace(grant.role, &grant); });
  Verdict verdict(now);
  each_membership(snapshot, who->id, access, [&](const Membership& membership) {
    const auto grant = grants.find(membership.role);
    const Role* role = find(snapshot.roles, membership.role);
    if (grant == grants.end() || !role) return;
    verdict.add(who->email + " has role " + quoted(role->name) + " (" + membership.id + ")", *role, *what,
                *grant->second);
  });
  return std::move(verdict).decide([&] { return explain_no_grant(snapshot, *who, *what, access); });
}

std::vector<const Resource*> usable_resources(const Snapshot& snapshot, std::string_view account, WallTime now,
                                              const AccessIndex* access, std::optional<WallTime>* until) {
  const auto roles = active_roles(snapshot, account, access);
  std::set<const Resource*> found;
  const auto add = [&](const Grant& grant) {
    if (until) note_boundaries(grant, now, *until);
    if (!in_force(grant, now)) return;
    if (const Resource* resource = find(snapshot.resources, grant.resource)) found.insert(resource);
  };
  if (access) {
    for (const auto& role : roles) each_of(snapshot.grants, &Grant::role, role, &access->grants_of_role(role), add);
  } else {
    for (const auto& [id, grant] : snapshot.grants)
      if (roles.contains(grant.role)) add(grant);
  }
  std::vector<const Resource*> usable(found.begin(), found.end());
  sort_by_name(usable);
  return usable;
}

std::vector<const Node*> egress_nodes(const Snapshot& snapshot, const Resource& resource) {
  std::vector<const Node*> nodes;
  for (const auto& each : egress_candidates(snapshot, resource))
    if (each.verdict == EgressVerdict::kMay) nodes.push_back(each.node);
  return nodes;
}

std::vector<std::string> egress_nodes_of(const Snapshot& snapshot, std::string_view account, WallTime now) {
  std::set<std::string> ids;
  EgressSets sets(snapshot);
  for (const Resource* resource : usable_resources(snapshot, account, now))
    if (const auto* nodes = sets.of_new(*resource))
      for (const Node* node : *nodes) ids.insert(node->id);
  return {ids.begin(), ids.end()};
}

std::map<std::string, std::vector<std::string>> egress_nodes_by_account(const Snapshot& snapshot, WallTime now) {
  EgressSets sets(snapshot);
  std::map<std::string_view, std::set<const EgressSets::Nodes*>> by_role;
  for (const auto& [id, grant] : snapshot.grants) {
    const Resource* resource = find(snapshot.resources, grant.resource);
    if (!resource || !in_force(grant, now) || !snapshot.roles.contains(grant.role)) continue;
    by_role[grant.role].insert(&sets.of(*resource));
  }
  std::map<std::string, std::set<const EgressSets::Nodes*>> by_account;
  for (const auto& [id, membership] : snapshot.memberships) {
    const Account* account = find(snapshot.accounts, membership.account);
    const auto nodes = by_role.find(membership.role);
    if (!account || account->suspended || nodes == by_role.end()) continue;
    by_account[account->id].insert(nodes->second.begin(), nodes->second.end());
  }
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [account, all] : by_account) {
    std::set<std::string> ids;
    for (const auto* nodes : all)
      for (const Node* node : *nodes) ids.insert(node->id);
    if (!ids.empty()) out.emplace(account, std::vector<std::string>(ids.begin(), ids.end()));
  }
  return out;
}

bool may_be_egress(const Snapshot& snapshot, std::string_view node, std::string_view resource) {
  const Resource* what = find(snapshot.resources, resource);
  const Node* who = find(snapshot.nodes, node);
  return what && who && egress_verdict(snapshot, *what, *who) == EgressVerdict::kMay;
}

}  // namespace portolan::directory
