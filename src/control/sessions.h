// /v1/sessions: what people use right now. The record of all sessions, ended ones too, is under /v1/audit.
#pragma once
#include "control/nodes.h"
#include "control/routes.h"

namespace portolan::control {

// GET of one and DELETE, which ends it at its node; the list is with the other lists of the audit (audit_lists.h).
void add_sessions(Routes& routes, Core& core, Nodes& nodes);

}  // namespace portolan::control
