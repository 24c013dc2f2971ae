// portolan status: what this client is connected to, and how; and, when the agent is away, what is known without it.
#include <fmt/format.h>

#include "cli/agent_api.h"
#include "cli/command.h"
#include "cli/control_api.h"
#include "cli/local_tables.h"
#include "cli/run.h"

namespace portolan::cli {
namespace {

struct Options {};

net::Task<Result<api::AgentStatus>> ask_agent(const client::Home& home) {
  AgentApi agent(home);
  auto status = co_await agent.status();
  co_return status;
}

// In the same form as the agent's answer, from the files that login has left.
api::AgentStatus status_from_home(const client::Home& home) {
  api::AgentStatus status;
  status.version = PORTOLAN_VERSION;
  status.control_state = "unknown";
  status.control_reason = "the agent is not running";
  const auto remembered = home.remembered();
  if (!remembered) return status;
  status.control = remembered->control;
  status.organization = remembered->organization;
  status.email = remembered->email;
  status.signed_in = !remembered->account.empty();
  if (status.signed_in) status.sign_in_ends = remembered->sign_in_ends;
  return status;
}

Result<> run(Context& context, Options&) {
  PL_TRY(const auto home, client::Home::from_environment());
  auto status = run_on_loop(ask_agent(home));
  if (status) {
    print_status(context.out, *status);
    return {};
  }
  if (is_agent_away(status.error())) print_status(context.out, status_from_home(home));
  return std::unexpected(std::move(status).error());
}

}  // namespace

void add_status(CLI::App& root, Context& context) {
  CLI::App& app =
      add_command(root, context, "status", "what this client is connected to, and how", "portolan status --json");
  on_chosen(app, context, std::make_shared<Options>(), run);
}

}  // namespace portolan::cli
