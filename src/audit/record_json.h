// A record as JSON, as json::encode() makes it, without a tree of values in between: a node does this for every query,
// and the tree costs more than all else that is done with the record.
#pragma once
#include <string>

#include "api/audit.h"

namespace portolan::audit {

std::string record_json(const api::AuditRecord& record);

}  // namespace portolan::audit
