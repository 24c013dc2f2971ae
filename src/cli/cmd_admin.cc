// portolan admin: the directory, as an admin sees and changes it. A client of the same API as everybody's.
#include "cli/admin.h"

namespace portolan::cli {

void add_admin(CLI::App& root, Context& context) {
  CLI::App& admin = add_group(root, "admin", "who may use what: accounts, roles, grants, resources, nodes, keys");
  add_admin_accounts(admin, context);
  add_admin_roles(admin, context);
  add_admin_memberships(admin, context);
  add_admin_grants(admin, context);
  add_admin_resources(admin, context);
  add_admin_nodes(admin, context);
  add_admin_clusters(admin, context);
  add_admin_peering(admin, context);
  add_admin_keys(admin, context);
  add_admin_tokens(admin, context);
  add_admin_devices(admin, context);
  add_admin_sessions(admin, context);
  add_admin_apply(admin, context);
  add_admin_access(admin, context);
  add_admin_health(admin, context);
}

}  // namespace portolan::cli
