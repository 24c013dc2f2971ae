#include "cli/admin_details.h"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "api/clusters.h"
#include "cli/admin.h"
#include "cli/admin_health.h"

namespace portolan::cli {
namespace {

constexpr std::size_t kMembersShown = 20;

using Fields = std::vector<std::pair<std::string, std::string>>;

// One below the other; without those that have no value.
void print_fields(const Output& out, const Fields& fields) {
  Table table({{""}, {""}});
  for (const auto& [name, value] : fields)
    if (!value.empty()) table.add({name, value});
  out.text(table.print_rows(0));
}

void print_section(const Output& out, std::string_view none, const Table& table) {
  out.line("");
  if (table.empty()) {
    out.line(none);
  } else {
    out.table(table);
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

template <class View>
net::Task<Result<std::vector<View>>> all_of(api::ControlClient& control, std::string path, Query query) {
  query["limit"] = "1000";
  return list_all<View>(control, std::move(path), std::move(query));
}

std::vector<std::string> when(const api::GrantView& grant) {
  return {grant.state, local_time(grant.starts), local_time(grant.ends)};
}

// ---- who may use a resource ----

struct Access {
  std::vector<api::GrantView> grants;
  std::map<std::string, std::vector<std::string>> members;  // e-mail addresses by role
};

net::Task<Result<Access>> access_to(api::ControlClient& control, std::string resource) {
  Access access;
  CO_TRY(access.grants, co_await all_of<api::GrantView>(control, "/v1/grants", {{"resource", std::move(resource)}}));
  for (const auto& grant : access.grants) {
    CO_TRY(const auto members,
           co_await all_of<api::MembershipView>(control, "/v1/memberships", {{"role", grant.role}}));
    auto& emails = access.members[grant.role];
    for (const auto& member : members) emails.push_back(name_or(member.email, member.account));
    std::ranges::sort(emails);
  }
  co_return access;
}

std::string in_short(std::vector<std::string> members) {
  if (members.empty()) return "nobody";
  const auto all = members.size();
  if (all > kMembersShown) members.resize(kMembersShown);
  return joined(members) + (all > kMembersShown ? fmt::format(" and {} more", all - kMembersShown) : "");
}

// Settings may be whole certificates: of those, how long they are.
std::string setting_in_short(const std::string& value) {
  return value.find('\n') == std::string::npos ? value : fmt::format("({} bytes)", value.size());
}

std::string nodes_in_words(const api::ResourceView& resource) {
  if (resource.egress_nodes.empty()) return "any relay, or any gateway where there is no relay";
  std::vector<std::string> names;
  for (const auto& id : resource.egress_nodes) {
    if (id.starts_with("c-")) {
      const auto cluster = call_get<api::ClusterView>("/v1/clusters/" + id);
      names.push_back(cluster ? "cluster " + cluster->name : id);
      continue;
    }
    const auto node = call_get<api::NodeStatusView>("/v1/nodes/" + id);
    names.push_back(node ? node->name : id);
  }
  return joined(names);
}

// What an account has by its roles.
struct Reach {
  std::vector<api::MembershipView> memberships;
  std::vector<api::GrantView> grants;
};

net::Task<Result<Reach>> reach_of(api::ControlClient& control, std::string account) {
  Reach reach;
  CO_TRY(reach.memberships,
         co_await all_of<api::MembershipView>(control, "/v1/memberships", {{"account", std::move(account)}}));
  for (const auto& membership : reach.memberships) {
    CO_TRY(auto grants, co_await all_of<api::GrantView>(control, "/v1/grants", {{"role", membership.role}}));
    std::ranges::move(grants, std::back_inserter(reach.grants));
  }
  co_return reach;
}

}  // namespace

std::string account_state(const api::AccountView& account) {
  std::vector<std::string> words;
  if (account.suspended) words.emplace_back("suspended");
  if (account.locked_until) words.push_back("locked until " + local_time(*account.locked_until));
  return words.empty() ? "active" : joined(words);
}

Result<> print_account(const Output& out, const api::AccountView& account) {
  print_fields(out, {{"E-mail", account.email},
                     {"Name", account.name},
                     {"Kind", account.kind + (account.admin ? ", admin" : "")},
                     {"State", account_state(account) +
                                   (account.locked_until ? ": too many wrong passwords; lift it with: portolan admin "
                                                           "accounts unlock " +
                                                               account.email
                                                         : "")},
                     {"Password", account.kind == "service" ? ""
                                  : account.has_password    ? "set"
                                                            : "none"},
                     {"Created", local_time(account.created)},
                     {"Id", account.id}});
  PL_TRY(const auto reach,
         ask_control<Reach>([&](api::ControlClient& control) { return reach_of(control, account.id); }));
  Table roles({{"ROLE"}, {"SINCE"}});
  for (const auto& membership : reach.memberships)
    roles.add({name_or(membership.role_name, membership.role), local_time(membership.created)});
  print_section(out, "It has no role.", roles);
  Table resources({{"RESOURCE"}, {"BY ROLE"}, {"STATE"}, {"FROM"}, {"UNTIL"}});
  for (const auto& grant : reach.grants) {
    auto row = std::vector{name_or(grant.resource_name, grant.resource), name_or(grant.role_name, grant.role)};
    std::ranges::copy(when(grant), std::back_inserter(row));
    resources.add(std::move(row));
  }
  print_section(out, "It may use no resource.", resources);
  return {};
}

Result<> print_role(const Output& out, const api::RoleView& role) {
  print_fields(out, {{"Name", role.name}, {"Created", local_time(role.created)}, {"Id", role.id}});
  const Query of_role{{"limit", "1000"}, {"role", role.id}};
  PL_TRY(const auto members, call_list<api::MembershipView>("/v1/memberships", of_role));
  Table accounts({{"MEMBER"}, {"SINCE"}});
  for (const auto& member : members) accounts.add({name_or(member.email, member.account), local_time(member.created)});
  print_section(out, "Nobody has it.", accounts);
  PL_TRY(const auto grants, call_list<api::GrantView>("/v1/grants", of_role));
  Table resources({{"MAY USE"}, {"STATE"}, {"FROM"}, {"UNTIL"}});
  for (const auto& grant : grants) {
    auto row = std::vector{name_or(grant.resource_name, grant.resource)};
    std::ranges::copy(when(grant), std::back_inserter(row));
    resources.add(std::move(row));
  }
  print_section(out, "It may use nothing.", resources);
  return {};
}

Result<> print_resource(const Output& out, const api::ResourceView& resource) {
  Fields fields = {{"Name", resource.name},
                   {"Type", resource.type},
                   {"Target", net::to_text({resource.host, resource.port})},
                   {"User", resource.username},
                   {"Password", resource.has_password ? "kept" : "none"},
                   {"Local port", std::to_string(resource.local_port)}};
  for (const auto& [name, value] : resource.settings) fields.emplace_back("Setting " + name, setting_in_short(value));
  for (const auto& [key, value] : resource.tags) fields.emplace_back("Tag " + key, value);
  fields.emplace_back("By nodes", nodes_in_words(resource));
  if (!resource.egress_filter.empty()) fields.emplace_back("Egress filter", resource.egress_filter);
  fields.emplace_back("Created", local_time(resource.created));
  fields.emplace_back("Id", resource.id);
  print_fields(out, fields);

  PL_TRY(const auto access,
         ask_control<Access>([&](api::ControlClient& control) { return access_to(control, resource.id); }));
  Table roles({{"ROLE"}, {"STATE"}, {"FROM"}, {"UNTIL"}, {"MEMBERS"}});
  for (const auto& grant : access.grants) {
    auto row = std::vector{name_or(grant.role_name, grant.role)};
    std::ranges::copy(when(grant), std::back_inserter(row));
    row.push_back(in_short(access.members.at(grant.role)));
    roles.add(std::move(row));
  }
  print_section(out, "No role may use it.", roles);

  // For a token that may not see it, the rest is good all the same.
  const auto health =
      call_list<api::ResourceHealthView>("/v1/health/resources", {{"limit", "1000"}, {"resource", resource.id}});
  if (health) print_section(out, "No node may reach it.", health_table(*health));
  return {};
}

}  // namespace portolan::cli
