// portolan connect and disconnect: which resources the agent listens for.
#include <algorithm>

#include "cli/agent_api.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/local_tables.h"
#include "cli/run.h"

namespace portolan::cli {
namespace {

struct Options {
  api::ConnectRequest request;
};

Result<> check_request(const api::ConnectRequest& request) {
  if (request.names.empty() && !request.all)
    return wrong_usage("which resources? give their names (portolan ls shows them), or --all");
  if (!request.names.empty() && request.all) return wrong_usage("give names or --all, not both");
  return {};
}

net::Task<Result<std::vector<api::LocalResource>>> change(api::ConnectRequest request, bool connect) {
  CO_TRY(const auto home, client::Home::from_environment());
  CO_CHECK(home.state());
  AgentApi agent(home);
  auto changed = connect ? agent.connect(std::move(request)) : agent.disconnect(std::move(request));
  auto resources = co_await std::move(changed);
  co_return resources;
}

Result<> run_connect(Context& context, Options& options) {
  PL_CHECK(check_request(options.request));
  PL_TRY(const auto resources, run_on_loop(change(options.request, true)));
  print_resources(context.out, resources);
  const auto failed = std::ranges::find(resources, "failed", &api::LocalResource::state);
  if (failed == resources.end()) return {};
  return fail(Code::kConflict, "connect " + quoted(failed->name) + ": " + failed->reason.value_or("failed"));
}

Result<> run_disconnect(Context& context, Options& options) {
  PL_CHECK(check_request(options.request));
  PL_TRY(const auto resources, run_on_loop(change(options.request, false)));
  print_resources(context.out, resources);
  return {};
}

void add(CLI::App& root, Context& context, const std::string& name, const std::string& description,
         Result<> (*run)(Context&, Options&)) {
  CLI::App& app = add_command(root, context, name, description, "portolan " + name + " billing");
  auto options = std::make_shared<Options>();
  app.add_option("names", options->request.names, "names of resources");
  app.add_flag("--all", options->request.all, "all that you may use");
  on_chosen(app, context, options, run);
}

}  // namespace

void add_connect(CLI::App& root, Context& context) {
  add(root, context, "connect", "listen for resources on loopback ports", run_connect);
}
void add_disconnect(CLI::App& root, Context& context) {
  add(root, context, "disconnect", "stop listening for resources", run_disconnect);
}

}  // namespace portolan::cli
