// Roles, and who has them (memberships).
#include "cli/admin.h"
#include "cli/admin_details.h"

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
          {"name"},
          {},
          nullptr,
          "its name or id",
          false,
          print_role};
}

Kind<api::MembershipView> membership_kind() {
  return {"admin memberships",
          "membership",
          "/v1/memberships",
          "membership",
          {{"ACCOUNT"}, {"ROLE"}, {"CREATED"}, {"ID"}},
          [](const api::MembershipView& m) -> std::vector<std::string> {
            return {name_or(m.email, m.account), name_or(m.role_name, m.role), local_time(m.created), m.id};
          },
          {"account", "role"},
          {},
          nullptr,
          kById};
}

struct Options {
  std::string first;
  std::string second;
  Revision revision;
};

Result<> create_role(Context& context, Options& options) {
  PL_TRY(auto made, call_post<api::RoleView>("/v1/roles", api::RoleCreate{options.first}));
  return print_one(context, role_kind(), std::move(made));
}

Result<> rename_role(Context& context, Options& options) {
  PL_TRY(const auto path, path_with("/v1/roles", options.first));
  PL_TRY(auto changed, call_patch<api::RoleView>(path, api::RoleUpdate{options.second}, options.revision));
  return print_one(context, role_kind(), std::move(changed));
}

Result<> create_membership(Context& context, Options& options) {
  PL_TRY(auto made,
         call_post<api::MembershipView>("/v1/memberships", api::MembershipCreate{options.first, options.second}));
  return print_one(context, membership_kind(), std::move(made));
}

Result<> delete_membership(Context& context, Options& options) {
  PL_TRY(const auto id, connecting_id(membership_kind(), options.first, options.second));
  PL_TRY(const auto path, path_with("/v1/memberships", id));
  PL_CHECK(call_delete(path, options.revision));
  return print_deleted(context, "membership", id);
}

}  // namespace

void add_admin_roles(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "roles", "what accounts have in common");
  add_list(group, context, role_kind());
  add_show(group, context, role_kind());
  CLI::App& creating = add_command(group, context, "create", "a new role", "portolan admin roles create analysts");
  auto made = std::make_shared<Options>();
  creating.add_option("name", made->first, "its name")->required();
  on_chosen(creating, context, made, create_role);
  CLI::App& updating = add_command(group, context, "update", "rename a role",
                                   "portolan admin roles update analysts --name data-analysts");
  auto renamed = std::make_shared<Options>();
  updating.add_option("role", renamed->first, "its name or id")->required();
  updating.add_option("--name", renamed->second, "its new name")->required();
  add_if_revision(updating, renamed->revision);
  on_chosen(updating, context, renamed, rename_role);
  add_delete(group, context, role_kind(), "remove a role, with its memberships and grants");
}

void add_admin_memberships(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "memberships", "which account has which role");
  add_list(group, context, membership_kind());
  add_show(group, context, membership_kind());
  CLI::App& creating = add_command(group, context, "create", "give an account a role",
                                   "portolan admin memberships create ann@example.com analysts");
  auto made = std::make_shared<Options>();
  creating.add_option("account", made->first, "its e-mail address or id")->required();
  creating.add_option("role", made->second, "its name or id")->required();
  on_chosen(creating, context, made, create_membership);
  CLI::App& deleting = add_command(group, context, "delete", "take a role away; what was used by it ends",
                                   "portolan admin memberships delete ann@example.com analysts");
  auto gone = std::make_shared<Options>();
  deleting.add_option("account", gone->first, "its e-mail address or id; or the membership's id alone")->required();
  deleting.add_option("role", gone->second, "its name or id");
  add_if_revision(deleting, gone->revision);
  on_chosen(deleting, context, gone, delete_membership);
}

}  // namespace portolan::cli
