// What is different between two states of the agent, in the words of the status watch. Pure.
#pragma once
#include <vector>

#include "api/local.h"

namespace portolan::client {

// Round trips are measured all the time and are no change of their own.
std::vector<api::LocalChange> changes_between(const api::AgentStatus& before, const api::AgentStatus& after);

}  // namespace portolan::client
