// portolan logout: ends the sign-in here and at the control plane, and with it the agent.
#include "cli/background.h"
#include "cli/command.h"
#include "cli/run.h"
#include "client/sign_in.h"

namespace portolan::cli {
namespace {

struct Options {};

struct LoggedOut {
  std::string email;
  std::string control;
};
BOOST_DESCRIBE_STRUCT(LoggedOut, (), (email, control))

net::Task<Result<LoggedOut>> log_out() {
  CO_TRY(const auto home, client::Home::from_environment());
  CO_TRY(const auto state, home.state());
  const auto told = co_await client::sign_out(home);
  const auto stopped = co_await stop_or_reload_agent(home);
  if (!told) co_return std::unexpected(told.error());
  if (!stopped) co_return std::unexpected(Error(stopped.error()).within("signed out, but the agent goes on"));
  co_return LoggedOut{state.email, state.control};
}

Result<> run(Context& context, Options&) {
  PL_TRY(const auto done, run_on_loop(log_out()));
  if (context.out.json) context.out.object(done);
  context.out.note("Signed out of " + done.control + ".");
  return {};
}

}  // namespace

void add_logout(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "logout", "end the sign-in and the agent", "portolan logout");
  on_chosen(app, context, std::make_shared<Options>(), run);
}

}  // namespace portolan::cli
