#include "control/apply_plan.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/id.h"
#include "base/json.h"
#include "control/accounts.h"
#include "control/apply_planner.h"
#include "control/clusters.h"
#include "control/resource_rules.h"
#include "control/roles.h"
#include "crypto/hash.h"

namespace portolan::control {
namespace {

Result<> take_bound(const std::optional<std::string>& asked, std::string_view member, std::optional<WallTime>& into) {
  if (!asked) return {};
  into.reset();
  if (*asked == "none") return {};
  const auto time = from_rfc3339(*asked);
  if (!time)
    return fail(Code::kInvalid,
                std::string(member) + " " + quoted(*asked) + ": must be a time such as 2026-12-31T00:00:00Z, or none");
  into = *time;
  return {};
}

std::string entry_of(std::string_view list, std::size_t index, const std::string& name) {
  return std::string(list) + "[" + std::to_string(index) + "] " + quoted(name);
}

}  // namespace

// What is asked for, to the last byte and password, and what it meets: the changes and the revisions of all that they
// touch. What is shown is cut, and would do for neither.
std::string Planner::name() const {
  api::ApplyRequest asked = request_;
  asked.dry_run.reset();
  asked.plan.reset();
  std::string met = json::encode(plan_.answer.changes);
  const auto add = [&](const ApplyStep& step) {
    met += ' ' + std::visit([](const auto& object) { return std::to_string(object.revision); }, step.object);
  };
  std::ranges::for_each(plan_.removals, add);
  std::ranges::for_each(plan_.puts, add);
  const Secret all(json::encode(asked) + met);
  return hex(crypto::hmac_sha256(as_bytes(context_.salt), as_bytes(all.reveal())));
}

void Planner::index() {
  for (const auto& [id, account] : snapshot_.accounts) accounts_[account.email] = &account;
  for (const auto& [id, role] : snapshot_.roles) role_ids_[role.name] = id;
  for (const auto& [id, resource] : snapshot_.resources) {
    resource_ids_[resource.name] = id;
    resources_[resource.name] = &resource;
  }
  for (const auto& [id, membership] : snapshot_.memberships)
    memberships_[{membership.account, membership.role}] = &membership;
  for (const auto& [id, grant] : snapshot_.grants) grants_[{grant.role, grant.resource}] = &grant;
  for (const auto& [id, group] : snapshot_.peering_groups) groups_[group.name] = group;
}

void Planner::plan_roles(const std::vector<api::ApplyRole>& roles) {
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const auto& name = roles[i].name;
    const std::string entry = entry_of("roles", i, name);
    auto checked = directory::check_role_name(name);
    if (checked && !seen.insert(name).second) checked = fail(Code::kInvalid, "name: is there twice");
    if (!checked) {
      if (!wrong(entry, checked.error())) return;
      continue;
    }
    if (role_ids_.contains(name)) {
      ++plan_.answer.totals.unchanged;
      continue;
    }
    Role role{.id = make_id("r"), .name = name, .created = context_.now};
    role_ids_[name] = role.id;
    put<Role>(entry, nullptr, std::move(role), {{}, "role", name, {}, {}});
  }
}

Result<Account> Planner::account_for(const api::ApplyAccount& asked, std::string email, const Account* before) const {
  Account account;
  if (before) {
    account = *before;
  } else {
    account.id = make_id("a");
    account.email = std::move(email);
    account.created = context_.now;
  }
  if (before && asked.kind && *asked.kind != before->kind)
    return fail(Code::kInvalid, "kind: it is a " + before->kind + " account; that cannot be changed");
  account.name = asked.name.value_or(account.name);
  account.admin = asked.admin.value_or(account.admin);
  account.suspended = asked.suspended.value_or(account.suspended);
  account.kind = asked.kind.value_or(account.kind);
  PL_CHECK(check_account(account));
  return account;
}

void Planner::plan_accounts(const std::vector<api::ApplyAccount>& accounts) {
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    const auto& asked = accounts[i];
    const std::string entry = entry_of("accounts", i, asked.email);
    const auto email = directory::normalize_email(asked.email);
    if (!email || !seen.insert(*email).second) {
      if (!wrong(entry, email ? Error{Code::kInvalid, "email: is there twice"} : email.error())) return;
      continue;
    }
    const auto found = accounts_.find(*email);
    const Account* before = found == accounts_.end() ? nullptr : found->second;
    auto account = account_for(asked, *email, before);
    if (!account) {
      if (!wrong(entry, account.error())) return;
      continue;
    }
    put<Account>(entry, before, *account, {{}, "account", *email, {}, {}});
    if (asked.roles) plan_memberships(asked, *account, "accounts[" + std::to_string(i) + "].roles");
  }
}

void Planner::plan_memberships(const api::ApplyAccount& asked, const Account& account, const std::string& list) {
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < asked.roles->size(); ++i) {
    const auto& name = (*asked.roles)[i];
    const std::string entry = entry_of(list, i, name);
    const auto role = role_ids_.find(name);
    if (role == role_ids_.end() || !seen.insert(name).second) {
      if (!wrong(entry, role == role_ids_.end() ? "there is no such role, neither here nor in the directory"
                                                : "is there twice"))
        return;
      continue;
    }
    const auto found = memberships_.find({account.id, role->second});
    Membership membership{.id = make_id("m"), .account = account.id, .role = role->second, .created = context_.now};
    const bool there = found != memberships_.end();
    put<Membership>(entry, there ? found->second : nullptr, there ? *found->second : std::move(membership),
                    {{}, "membership", account.email, name, {}});
  }
}

// Before any is chosen: what is asked for by number goes first.
void Planner::take_wanted_ports() {
  if (!request_.resources) return;
  for (const auto& resource : *request_.resources)
    if (resource.local_port) ports_.take(*resource.local_port);
}

Result<Resource> Planner::resource_for(const api::ApplyResource& asked, const Resource* before) {
  Resource resource;
  if (before) {
    resource = *before;
  } else {
    resource.id = make_id("rs");
    resource.name = asked.name;
    resource.created = context_.now;
  }
  if (before && asked.type && *asked.type != before->type)
    return fail(Code::kInvalid, "type: it is a resource of type " + before->type +
                                    "; that cannot be changed: remove it and make it anew");
  if (!before && !(asked.type && asked.host))
    return fail(Code::kInvalid, "type and host: are needed for a new resource");
  resource.type = asked.type.value_or(resource.type);
  PL_TRY(const auto* protocol, protocol_of(resource.type));
  resource.host = asked.host.value_or(resource.host);
  resource.port = asked.port.value_or(before ? resource.port : protocol->default_port);
  PL_CHECK(check_local_port(asked.local_port));
  resource.local_port = asked.local_port.value_or(resource.local_port);
  resource.settings = asked.settings.value_or(resource.settings);
  resource.username = asked.username.value_or(resource.username);
  resource.tags = asked.tags.value_or(resource.tags);
  resource.egress_filter = asked.egress_filter.value_or(resource.egress_filter);
  if (asked.egress_nodes) {
    PL_TRY(resource.egress_nodes, egress_ids(snapshot_, *asked.egress_nodes, new_clusters_));
  }
  PL_CHECK(check_resource_password(asked.password));
  if (before) PL_CHECK(check_kept_password(*before, asked));
  if (asked.password) resource.sealed_password = reseal_password(context_.sealing, resource, *asked.password);
  PL_CHECK(check_resource(resource));
  PL_CHECK(set_tls_key(context_.sealing, resource, asked.tls_key));
  if (resource.local_port == 0) {
    PL_TRY(resource.local_port, ports_.choose(usual_local_port(*protocol, resource)));
  }
  return resource;
}

Result<directory::Cluster> Planner::cluster_for(const api::ApplyCluster& asked,
                                                const directory::Cluster* before) const {
  directory::Cluster cluster;
  if (before) {
    cluster = *before;
  } else {
    cluster.id = make_id("c");
    cluster.name = asked.name;
    cluster.bridged = asked.bridged.value_or(false);
    cluster.created = context_.now;
  }
  if (before && asked.bridged && *asked.bridged != before->bridged)
    return fail(Code::kInvalid, "bridged: cannot be changed; make another cluster");
  cluster.address = asked.address.value_or(cluster.address);
  cluster.tags = asked.tags.value_or(cluster.tags);
  PL_CHECK(check_cluster(cluster, snapshot_));
  return cluster;
}

void Planner::plan_clusters(const std::vector<api::ApplyCluster>& clusters) {
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    const auto& asked = clusters[i];
    const std::string entry = entry_of("clusters", i, asked.name);
    const auto found =
        std::ranges::find_if(snapshot_.clusters, [&](const auto& each) { return each.second.name == asked.name; });
    const auto* before = found == snapshot_.clusters.end() ? nullptr : &found->second;
    auto cluster = seen.insert(asked.name).second
                       ? cluster_for(asked, before)
                       : Result<directory::Cluster>(fail(Code::kInvalid, "name: is there twice"));
    if (!cluster) {
      if (!wrong(entry, cluster.error())) return;
      continue;
    }
    if (!before) new_clusters_[asked.name] = cluster->id;
    put<directory::Cluster>(entry, before, std::move(*cluster), {{}, "cluster", asked.name, {}, {}});
  }
}

void Planner::plan_resources(const std::vector<api::ApplyResource>& resources) {
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < resources.size(); ++i) {
    const auto& asked = resources[i];
    const std::string entry = entry_of("resources", i, asked.name);
    const auto found = resources_.find(asked.name);
    const Resource* before = found == resources_.end() ? nullptr : found->second;
    auto resource = seen.insert(asked.name).second ? resource_for(asked, before)
                                                   : Result<Resource>(fail(Code::kInvalid, "name: is there twice"));
    if (!resource) {
      if (!wrong(entry, resource.error())) return;
      continue;
    }
    resource_ids_[asked.name] = resource->id;
    put<Resource>(entry, before, std::move(*resource), {{}, "resource", asked.name, {}, {}});
  }
}

Result<Grant> Planner::grant_for(const api::ApplyGrant& asked, const std::string& role, const std::string& resource,
                                 const Grant* before) const {
  Grant grant =
      before ? *before : Grant{.id = make_id("g"), .role = role, .resource = resource, .created = context_.now};
  PL_CHECK(take_bound(asked.from, "from", grant.starts));
  PL_CHECK(take_bound(asked.until, "until", grant.ends));
  // One that has ended meanwhile stays as it is: the same file goes on to be good.
  const bool same = before && before->starts == grant.starts && before->ends == grant.ends;
  if (!same) PL_CHECK(check_bounds(grant, context_.now));
  return grant;
}

void Planner::plan_grants(const std::vector<api::ApplyRole>& roles) {
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const auto role = role_ids_.find(roles[i].name);
    if (!roles[i].grants || role == role_ids_.end()) continue;
    const std::string list = "roles[" + std::to_string(i) + "].grants";
    std::unordered_set<std::string_view> seen;
    for (std::size_t j = 0; j < roles[i].grants->size(); ++j) {
      const auto& asked = (*roles[i].grants)[j];
      const std::string entry = entry_of(list, j, asked.resource);
      const auto resource = resource_ids_.find(asked.resource);
      if (resource == resource_ids_.end() || !seen.insert(asked.resource).second) {
        if (!wrong(entry, resource == resource_ids_.end()
                              ? "there is no such resource, neither here nor in the directory"
                              : "is there twice"))
          return;
        continue;
      }
      const auto found = grants_.find({role->second, resource->second});
      const Grant* before = found == grants_.end() ? nullptr : found->second;
      auto grant = grant_for(asked, role->second, resource->second, before);
      if (!grant) {
        if (!wrong(entry, grant.error())) return;
        continue;
      }
      put<Grant>(entry, before, std::move(*grant), {{}, "grant", roles[i].name, asked.resource, {}});
    }
  }
}

Result<ApplyPlan> plan_apply(const Snapshot& snapshot, const api::ApplyRequest& request, const ApplyContext& context) {
  return Planner(snapshot, request, context).run();
}

}  // namespace portolan::control
