// What is not named goes, of those kinds that are named.
#include "base/bytes.h"
#include "control/apply_planner.h"

namespace portolan::control {

void Planner::prune() {
  std::unordered_set<std::string> emails;
  std::unordered_set<std::string_view> names;
  std::unordered_set<std::string_view> resources;
  if (request_.accounts)
    for (const auto& account : *request_.accounts)
      emails.insert(directory::normalize_email(account.email).value_or(account.email));
  if (request_.roles)
    for (const auto& role : *request_.roles) names.insert(role.name);
  if (request_.resources)
    for (const auto& resource : *request_.resources) resources.insert(resource.name);

  std::vector<const Account*> gone_accounts;
  if (request_.accounts)
    for (const auto& [id, account] : snapshot_.accounts)
      if (!emails.contains(account.email)) gone_accounts.push_back(&account);
  for (const auto* account : gone_accounts) {
    if (account->id == context_.caller)
      wrong("accounts",
            "your own account " + quoted(account->email) + " is not among them and would be removed; add it");
    gone_.insert(account->id);
    accounts_.erase(account->email);
  }
  if (request_.roles)
    for (const auto& [id, role] : snapshot_.roles)
      if (!names.contains(role.name)) {
        gone_.insert(id);
        role_ids_.erase(role.name);
      }
  if (request_.resources)
    for (const auto& [id, resource] : snapshot_.resources)
      if (!resources.contains(resource.name)) {
        gone_.insert(id);
        ports_.release(resource.local_port);
        resource_ids_.erase(resource.name);
        resources_.erase(resource.name);
      }
  prune_memberships();
  prune_grants();
  prune_peering_groups();
  for (const auto* account : gone_accounts) remove(*account, "account", account->email);
  for (const auto& [id, role] : snapshot_.roles)
    if (gone_.contains(id)) remove(role, "role", role.name);
  for (const auto& [id, resource] : snapshot_.resources)
    if (gone_.contains(id)) remove(resource, "resource", resource.name);
}

// Of accounts or roles that go, and those that an account with a list of roles does not list.
void Planner::prune_memberships() {
  std::unordered_map<std::string_view, std::unordered_set<std::string_view>> listed;  // roles by account
  if (request_.accounts)
    for (const auto& asked : *request_.accounts) {
      const auto email = directory::normalize_email(asked.email);
      const auto found = email ? accounts_.find(*email) : accounts_.end();
      if (asked.roles && found != accounts_.end())
        listed[found->second->id].insert(asked.roles->begin(), asked.roles->end());
    }
  for (const auto& [id, membership] : snapshot_.memberships) {
    const auto& role = snapshot_.roles.find(membership.role)->second;
    const auto& account = snapshot_.accounts.find(membership.account)->second;
    const auto list = listed.find(membership.account);
    const bool unlisted = list != listed.end() && !list->second.contains(role.name);
    if (unlisted || gone_.contains(account.id) || gone_.contains(role.id))
      remove(membership, "membership", account.email, role.name);
  }
}

void Planner::prune_grants() {
  std::unordered_map<std::string_view, std::unordered_set<std::string_view>> listed;  // resources by role
  if (request_.roles)
    for (const auto& asked : *request_.roles)
      if (const auto found = role_ids_.find(asked.name); asked.grants && found != role_ids_.end()) {
        auto& names = listed[found->second];
        for (const auto& grant : *asked.grants) names.insert(grant.resource);
      }
  for (const auto& [id, grant] : snapshot_.grants) {
    const auto& role = snapshot_.roles.find(grant.role)->second;
    const auto& resource = snapshot_.resources.find(grant.resource)->second;
    const auto list = listed.find(grant.role);
    const bool unlisted = list != listed.end() && !list->second.contains(resource.name);
    if (unlisted || gone_.contains(role.id) || gone_.contains(resource.id))
      remove(grant, "grant", role.name, resource.name);
  }
}

}  // namespace portolan::control
