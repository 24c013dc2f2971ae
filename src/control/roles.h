// /v1/roles, /v1/memberships and /v1/grants: an account has a role by a membership, a role may use a resource by a
// grant, for a time or for good. GET /v1/access/explain says what follows from them.
#pragma once
#include "control/routes.h"

namespace portolan::control {

void add_roles(Routes& routes, Core& core);
void add_memberships(Routes& routes, Core& core);
void add_grants(Routes& routes, Core& core);
void add_access(Routes& routes, Core& core);

// A grant that ends before it begins, or whose end is past, would never count.
Result<> check_bounds(const directory::Grant& grant, WallTime now);

}  // namespace portolan::control
