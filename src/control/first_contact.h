// What anybody may ask before signing in: the page at /, /v1/health, /v1/trust.
#pragma once
#include "control/routes.h"

namespace portolan::control {

void add_first_contact(Routes& routes, Core& core);

}  // namespace portolan::control
