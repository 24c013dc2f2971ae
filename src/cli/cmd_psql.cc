// portolan psql NAME: psql with the right address, after connecting the resource if that is still to do. The person's
// settings for other servers do not apply: there is no password, and the way to the agent is this machine.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "cli/agent_api.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "net/tcp.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string name;
};

net::Task<Result<api::LocalResource>> connected(std::string name) {
  CO_TRY(const auto home, client::Home::from_environment());
  CO_CHECK(home.state());
  AgentApi agent(home);
  CO_TRY(const auto resources, co_await agent.connect({{name}, false}));
  if (resources.empty())
    co_return fail(Code::kNotFound, "there is no resource " + quoted(name) + " that you may use; see: portolan ls");
  if (resources.front().type != "postgres")
    co_return fail(Code::kInvalid, fmt::format("resource {} is of type {}, which psql does not speak", quoted(name),
                                               resources.front().type));
  if (resources.front().state != "connected")
    co_return fail(Code::kConflict, fmt::format("connect {}: {}", quoted(name),
                                                resources.front().reason.value_or(resources.front().state)));
  co_return resources.front();
}

Result<> run(Context& context, Options& options) {
  PL_TRY(const auto resource, run_on_loop(connected(options.name)));
  PL_TRY(const auto endpoint, net::parse_endpoint(resource.address));
  for (const char* variable : {"PGHOSTADDR", "PGSERVICE", "PGPASSWORD", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT",
                               "PGSSLKEY", "PGCHANNELBINDING", "PGREQUIREAUTH"})
    unsetenv(variable);
  setenv("PGHOST", endpoint.host.c_str(), 1);
  setenv("PGPORT", std::to_string(endpoint.port).c_str(), 1);
  setenv("PGSSLMODE", "disable", 1);
  setenv("PGGSSENCMODE", "disable", 1);
  std::vector<char*> arguments;
  std::string program = "psql";
  arguments.push_back(program.data());
  for (std::string& argument : context.tail) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  execvp("psql", arguments.data());
  const int error = errno;
  if (error == ENOENT)
    return fail(Code::kNotFound,
                fmt::format("psql is not installed; connect any PostgreSQL client to {}", resource.address));
  return fail(Code::kIo, std::string("start psql: ") + std::strerror(error));
}

}  // namespace

void add_psql(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "psql", "psql to a resource; what follows the name goes to psql",
                              "portolan psql billing -c 'select 1'");
  auto options = std::make_shared<Options>();
  app.add_option("name", options->name, "the resource")->required();
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
