// GET /v1/resources/{resource}/route: the way that a new session with a resource would take now, and why: which nodes
// might be its egress, which were left out for what reason, and by which gateways people get there.
#pragma once
#include "control/health.h"
#include "control/presence.h"
#include "control/routes.h"
#include "control/routing.h"

namespace portolan::control {

void add_resource_route(Routes& routes, const Routing& routing, const Presence& presence, const Health& health);

}  // namespace portolan::control
