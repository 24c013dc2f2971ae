// The agent's answers as tables.
#pragma once
#include <vector>

#include "api/local.h"
#include "cli/output.h"

namespace portolan::cli {

void print_resources(const Output& out, const std::vector<api::LocalResource>& resources);
void print_status(const Output& out, const api::AgentStatus& status);

}  // namespace portolan::cli
