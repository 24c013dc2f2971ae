// portolan audit verify: fetches what is on record and recomputes it here (audit/verify.h).
#pragma once
#include "cli/command.h"

namespace portolan::cli {

void add_audit_verify(CLI::App& group, Context& context);

}  // namespace portolan::cli
