// The OpenAPI 3.1 document of /v1, made of permissions.cc, operations.cc and the structs in api/.
#pragma once
#include "base/json.h"
#include "control/routes.h"

namespace portolan::control {

json::Value openapi_document();
// GET /v1/openapi.json.
void add_openapi(Routes& routes);

}  // namespace portolan::control
