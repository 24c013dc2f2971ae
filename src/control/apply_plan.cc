#include "control/apply_plan.h"

#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/id.h"
#include "base/json.h"
#include "base/words.h"
#include "control/accounts.h"
#include "control/resource_rules.h"
#include "control/roles.h"
#include "crypto/hash.h"
#include "directory/local_ports.h"

namespace portolan::control {
namespace {

using directory::Account;
using directory::Grant;
using directory::Membership;
using directory::Resource;
using directory::Role;
using directory::Snapshot;

constexpr std::size_t kErrorsShown = 20;
constexpr std::size_t kValueLimit = 200;  // of a value as it is shown

// ---- what is shown of a change ----

using Shown = std::optional<std::string>;

Shown text_of(const std::string& value) { return value.empty() ? Shown() : plain_words(value, kValueLimit); }
Shown text_of(bool value) { return value ? "true" : "false"; }
Shown text_of(std::uint16_t value) { return value == 0 ? Shown() : std::to_string(value); }
Shown text_of(const std::optional<WallTime>& value) { return value ? to_rfc3339(*value) : Shown(); }
Shown text_of(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + value;
  return text_of(out);
}

// What names an object, or is the store's own.
bool is_shown(std::string_view member) {
  constexpr std::string_view kHidden[] = {"id", "created", "revision", "email", "account", "role", "resource"};
  return std::ranges::find(kHidden, member) == std::end(kHidden);
}
bool is_secret(std::string_view member) { return member.starts_with("sealed_") || member == "password_hash"; }

void compare(const std::string& member, const std::string& before, const std::string& after,
             std::vector<api::ApplyMember>& out) {
  if (before == after) return;
  if (!is_secret(member)) return out.push_back({member, text_of(before), text_of(after)});
  const auto shown = [](const std::string& secret, const char* word) { return secret.empty() ? Shown() : Shown(word); };
  const char* name = member == "sealed_tls_key" ? "tls_key" : "password";
  out.push_back({name, shown(before, "(set)"), shown(after, before.empty() ? "(set)" : "(changed)")});
}
void compare(const std::string& member, const std::map<std::string, std::string>& before,
             const std::map<std::string, std::string>& after, std::vector<api::ApplyMember>& out) {
  std::map<std::string, std::pair<Shown, Shown>> both;
  for (const auto& [key, value] : before) both[key].first = plain_words(value, kValueLimit);
  for (const auto& [key, value] : after) both[key].second = plain_words(value, kValueLimit);
  for (auto& [key, values] : both) {
    const auto was = before.find(key);
    const auto is = after.find(key);
    if (was != before.end() && is != after.end() && was->second == is->second) continue;
    out.push_back({member + "." + key, std::move(values.first), std::move(values.second)});
  }
}
template <class T>
void compare(const std::string& member, const T& before, const T& after, std::vector<api::ApplyMember>& out) {
  if (before != after) out.push_back({member, text_of(before), text_of(after)});
}

template <class Object>
std::vector<api::ApplyMember> differences(const Object& before, const Object& after) {
  std::vector<api::ApplyMember> out;
  boost::mp11::mp_for_each<boost::describe::describe_members<Object, boost::describe::mod_any_access>>(
      [&](auto member) {
        using Field = std::remove_cvref_t<decltype(before.*member.pointer)>;
        if constexpr (!std::is_same_v<Field, WallTime> && !std::is_same_v<Field, std::uint64_t>)
          if (is_shown(member.name)) compare(member.name, before.*member.pointer, after.*member.pointer, out);
      });
  return out;
}

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

class Planner {
 public:
  Planner(const Snapshot& snapshot, const api::ApplyRequest& request, const ApplyContext& context)
      : snapshot_(snapshot), request_(request), context_(context), ports_(snapshot) {}

  Result<ApplyPlan> run() {
    index();
    if (request_.prune.value_or(false)) prune();
    take_wanted_ports();
    if (request_.roles) plan_roles(*request_.roles);
    if (request_.accounts) plan_accounts(*request_.accounts);
    if (request_.resources) plan_resources(*request_.resources);
    if (request_.roles) plan_grants(*request_.roles);
    if (!errors_.empty()) return std::unexpected(error());
    plan_.answer.dry_run = request_.dry_run.value_or(false);
    plan_.answer.plan = name();
    return std::move(plan_);
  }

 private:
  std::string name() const;
  void index();
  void prune();
  void prune_memberships();
  void prune_grants();
  void take_wanted_ports();
  void plan_roles(const std::vector<api::ApplyRole>& roles);
  void plan_accounts(const std::vector<api::ApplyAccount>& accounts);
  Result<Account> account_for(const api::ApplyAccount& asked, std::string email, const Account* before) const;
  void plan_memberships(const api::ApplyAccount& asked, const Account& account, const std::string& list);
  void plan_resources(const std::vector<api::ApplyResource>& resources);
  Result<Resource> resource_for(const api::ApplyResource& asked, const Resource* before);
  void plan_grants(const std::vector<api::ApplyRole>& roles);
  Result<Grant> grant_for(const api::ApplyGrant& asked, const std::string& role, const std::string& resource,
                          const Grant* before) const;

  // Takes note of what is wrong; false when there is no use in looking further.
  bool wrong(const std::string& entry, const Error& error) {
    if (errors_.size() < kErrorsShown) errors_.push_back(entry + ": " + error.message);
    return errors_.size() < kErrorsShown;
  }
  bool wrong(const std::string& entry, std::string message) {
    return wrong(entry, Error{Code::kInvalid, std::move(message)});
  }
  Error error() const {
    if (errors_.size() == 1) return {Code::kInvalid, errors_.front()};
    std::string message = errors_.size() < kErrorsShown ? std::to_string(errors_.size()) + " errors"
                                                        : "the first " + std::to_string(kErrorsShown) + " errors";
    for (const auto& each : errors_) message += std::string(kErrorMark) + each;
    return {Code::kInvalid, std::move(message)};
  }

  template <class Object>
  void put(std::string entry, const Object* before, Object after, api::ApplyChange change) {
    change.members = differences(before ? *before : Object{}, after);
    if (!before)  // the change bears it
      std::erase_if(change.members,
                    [&](const auto& each) { return each.member == "name" && each.after == change.name; });
    if (before && change.members.empty()) {
      ++plan_.answer.totals.unchanged;
      return;
    }
    change.action = before ? "update" : "create";
    ++(before ? plan_.answer.totals.updated : plan_.answer.totals.created);
    if constexpr (std::is_same_v<Object, Account>) plan_.accounts = true;
    plan_.answer.changes.push_back(std::move(change));
    plan_.puts.push_back({std::move(entry), std::move(after)});
  }
  template <class Object>
  void remove(const Object& object, std::string kind, std::string name, std::optional<std::string> target = {}) {
    ++plan_.answer.totals.deleted;
    if constexpr (std::is_same_v<Object, Account>) plan_.accounts = true;
    plan_.removals.push_back({"prune: " + kind + " " + quoted(name), object});
    plan_.answer.changes.push_back({"delete", std::move(kind), std::move(name), std::move(target), {}});
  }

  const Snapshot& snapshot_;
  const api::ApplyRequest& request_;
  const ApplyContext& context_;
  directory::LocalPorts ports_;
  // What is there, and shall stay, by natural key; roles and resources that are made join them.
  std::unordered_map<std::string_view, const Account*> accounts_;
  std::unordered_map<std::string, std::string> role_ids_;
  std::unordered_map<std::string, std::string> resource_ids_;
  std::unordered_map<std::string_view, const Resource*> resources_;
  std::map<std::pair<std::string_view, std::string_view>, const Membership*> memberships_;  // by account and role
  std::map<std::pair<std::string_view, std::string_view>, const Grant*> grants_;            // by role and resource
  // Ids of what a prune removes.
  std::unordered_set<std::string_view> gone_;
  std::vector<std::string> errors_;
  ApplyPlan plan_;
};

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
}

// ---- what is not named goes ----

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

// ---- what is named is there afterwards ----

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
  if (asked.egress_nodes) {
    PL_TRY(resource.egress_nodes, egress_ids(snapshot_, *asked.egress_nodes));
  }
  PL_CHECK(check_resource_password(asked.password));
  if (asked.password) resource.sealed_password = reseal_password(context_.sealing, resource, *asked.password);
  PL_CHECK(check_resource(resource));
  PL_CHECK(set_tls_key(context_.sealing, resource, asked.tls_key));
  if (resource.local_port == 0) {
    PL_TRY(resource.local_port, ports_.choose(usual_local_port(*protocol, resource)));
  }
  return resource;
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

}  // namespace

Result<ApplyPlan> plan_apply(const Snapshot& snapshot, const api::ApplyRequest& request, const ApplyContext& context) {
  return Planner(snapshot, request, context).run();
}

}  // namespace portolan::control
