// Roles, who has them (memberships) and what they may use (grants).
#include "cli/admin.h"

namespace portolan::cli {
namespace {

Kind<api::RoleView> role_kind() {
  return {"admin roles",
          "role",
          "/v1/roles",
          "role",
          {{"NAME"}, {"CREATED"}, {"ID"}},
          [](const api::RoleView& role) -> std::vector<std::string> {
            return {role.name, local_time(role.created), role.id};
          },
          {"name"}};
}

template <class View, class Name>
Result<std::map<std::string, std::string>> names_of(const std::string& collection, Name View::* name) {
  std::map<std::string, std::string> names;
  PL_TRY(const auto items, call_list<View>(collection));
  for (const View& item : items) names[item.id] = item.*name;
  return names;
}

void replace(std::string& id, const std::map<std::string, std::string>& names) {
  if (const auto found = names.find(id); found != names.end()) id = found->second;
}

Kind<api::MembershipView> membership_kind() {
  return {"admin memberships",
          "membership",
          "/v1/memberships",
          "membership",
          {{"ACCOUNT"}, {"ROLE"}, {"CREATED"}, {"ID"}},
          [](const api::MembershipView& m) -> std::vector<std::string> {
            return {m.account, m.role, local_time(m.created), m.id};
          },
          {"account", "role"},
          [](std::vector<api::MembershipView>& items) -> Result<> {
            if (items.empty()) return {};
            PL_TRY(const auto accounts, names_of("/v1/accounts", &api::AccountView::email));
            PL_TRY(const auto roles, names_of("/v1/roles", &api::RoleView::name));
            for (auto& item : items) {
              replace(item.account, accounts);
              replace(item.role, roles);
            }
            return {};
          }};
}

Kind<api::GrantView> grant_kind() {
  return {"admin grants",
          "grant",
          "/v1/grants",
          "grant",
          {{"ROLE"}, {"RESOURCE"}, {"CREATED"}, {"ID"}},
          [](const api::GrantView& g) -> std::vector<std::string> {
            return {g.role, g.resource, local_time(g.created), g.id};
          },
          {"role", "resource"},
          [](std::vector<api::GrantView>& items) -> Result<> {
            if (items.empty()) return {};
            PL_TRY(const auto roles, names_of("/v1/roles", &api::RoleView::name));
            PL_TRY(const auto resources, names_of("/v1/resources", &api::ResourceView::name));
            for (auto& item : items) {
              replace(item.role, roles);
              replace(item.resource, resources);
            }
            return {};
          }};
}

struct Options {
  std::string first;
  std::string second;
};

Result<> create_role(Context& context, Options& options) {
  PL_TRY(auto made, call_post<api::RoleView>("/v1/roles", api::RoleCreate{options.first}));
  return print_one(context, role_kind(), std::move(made));
}

Result<> create_membership(Context& context, Options& options) {
  PL_TRY(auto made,
         call_post<api::MembershipView>("/v1/memberships", api::MembershipCreate{options.first, options.second}));
  return print_one(context, membership_kind(), std::move(made));
}

Result<> create_grant(Context& context, Options& options) {
  PL_TRY(auto made, call_post<api::GrantView>("/v1/grants", api::GrantCreate{options.first, options.second}));
  return print_one(context, grant_kind(), std::move(made));
}

}  // namespace

void add_admin_roles(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "roles", "what accounts have in common");
  add_list(group, context, role_kind());
  add_show(group, context, role_kind());
  CLI::App& creating = add_command(group, context, "create", "a new role", "portolan admin roles create analysts");
  auto options = std::make_shared<Options>();
  creating.add_option("name", options->first, "its name")->required();
  on_chosen(creating, context, options, create_role);
  add_delete(group, context, role_kind(), "remove a role, with its memberships and grants");
}

void add_admin_memberships(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "memberships", "which account has which role");
  add_list(group, context, membership_kind());
  add_show(group, context, membership_kind());
  CLI::App& creating = add_command(group, context, "create", "give an account a role",
                                   "portolan admin memberships create ann@example.com analysts");
  auto options = std::make_shared<Options>();
  creating.add_option("account", options->first, "its e-mail address or id")->required();
  creating.add_option("role", options->second, "its name or id")->required();
  on_chosen(creating, context, options, create_membership);
  add_delete(group, context, membership_kind(), "take a role away, by the membership's id; what was used by it ends");
}

void add_admin_grants(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "grants", "which role may use which resource");
  add_list(group, context, grant_kind());
  add_show(group, context, grant_kind());
  CLI::App& creating = add_command(group, context, "create", "let a role use a resource",
                                   "portolan admin grants create analysts billing");
  auto options = std::make_shared<Options>();
  creating.add_option("role", options->first, "its name or id")->required();
  creating.add_option("resource", options->second, "its name or id")->required();
  on_chosen(creating, context, options, create_grant);
  add_delete(group, context, grant_kind(), "take a grant back, by its id; what was used by it ends");
}

}  // namespace portolan::cli
