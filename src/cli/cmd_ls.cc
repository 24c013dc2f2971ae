// portolan ls: the resources that the one who is signed in may use.
#include "cli/agent_api.h"
#include "cli/command.h"
#include "cli/local_tables.h"
#include "cli/run.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string filter;
};

net::Task<Result<std::vector<api::LocalResource>>> list(std::string filter) {
  CO_TRY(const auto home, client::Home::from_environment());
  // Said before the agent is asked, who may be away for the same reason.
  CO_CHECK(home.state());
  AgentApi agent(home);
  auto resources = co_await agent.resources(std::move(filter));
  co_return resources;
}

Result<> run(Context& context, Options& options) {
  PL_TRY(const auto resources, run_on_loop(list(options.filter)));
  print_resources(context.out, resources);
  return {};
}

}  // namespace

void add_ls(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "ls", "the resources that you may use", "portolan ls postgres");
  auto options = std::make_shared<Options>();
  app.add_option("filter", options->filter, "part of a name or a type");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
