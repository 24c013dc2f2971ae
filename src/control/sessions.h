// /v1/sessions: what people use right now. The record of all sessions, ended ones too, is under /v1/audit.
#pragma once
#include "control/nodes.h"
#include "control/routes.h"

namespace portolan::control {

// GET of one and DELETE, which ends it at its node; the list is with the other lists of the audit (audit_lists.h).
// Says by which name people know the session's node, while there is one.
void name_node(api::SessionEntry& session, const Lookup& lookup);

void add_sessions(Routes& routes, Core& core, Nodes& nodes);

}  // namespace portolan::control
