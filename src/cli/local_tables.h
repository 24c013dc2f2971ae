// The agent's answers as tables.
#pragma once
#include <string>
#include <vector>

#include "api/local.h"
#include "cli/output.h"

namespace portolan::cli {

void print_resources(const Output& out, const std::vector<api::LocalResource>& resources);
void print_status(const Output& out, const api::AgentStatus& status);
// What print_status() prints for people.
std::string status_text(const Output& out, const api::AgentStatus& status);
// One line: "resource billing: failed -> connected".
std::string change_text(const api::LocalChange& change);

}  // namespace portolan::cli
