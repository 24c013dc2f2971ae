// POST /v1/apply: many objects in one transaction (api/apply.h).
#pragma once
#include "control/routes.h"

namespace portolan::control {

void add_apply(Routes& routes, Core& core);

}  // namespace portolan::control
