// Health as tables and words.
#pragma once
#include <string>
#include <vector>

#include "api/health.h"
#include "cli/command.h"

namespace portolan::cli {

// "healthy", "healthy from 1 of 2 nodes: …", "unhealthy: why", "unknown: why", over the nodes that may reach a
// resource.
std::string health_in_short(const std::vector<api::ResourceHealthView>& by_node);
// One line for each node and resource.
Table health_table(const std::vector<api::ResourceHealthView>& list);
// `admin resources check NAME`.
void add_check(CLI::App& group, Context& context);

}  // namespace portolan::cli
