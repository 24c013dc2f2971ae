// The agent in the background: started by login, in a session of its own, with its output in the home's agent.log.
#pragma once
#include "base/result.h"
#include "client/home.h"
#include "net/task.h"

namespace portolan::cli {

// The running program's file, to execute it again.
std::string own_program();

// Tells a running agent to read the sign-in again, or starts one and waits until it answers.
enum class AgentNow { kReloaded, kStarted };
net::Task<Result<AgentNow>> reload_or_start_agent(client::Home home);

// After a sign-out: ends an agent that login has started; one that somebody runs in the foreground goes on, signed out.
net::Task<Result<>> stop_or_reload_agent(client::Home home);

}  // namespace portolan::cli
