// /v1/devices: the installations from which people have signed in. They appear by signing in; an admin sees all and
// removes what is lost or stolen, which ends its sign-ins and its sessions.
#pragma once
#include "control/routes.h"

namespace portolan::control {

void add_devices(Routes& routes, Core& core);

}  // namespace portolan::control
