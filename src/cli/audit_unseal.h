// portolan audit unseal: what can be read of a segment of a node's audit spool that was set aside
// (audit/spool_sealed.h).
#pragma once
#include "cli/command.h"

namespace portolan::cli {

void add_audit_unseal(CLI::App& group, Context& context);

}  // namespace portolan::cli
