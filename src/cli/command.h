// What the commands share: each adds itself to the command line and, when it was chosen, leaves in the context what is
// to run. main.cc has the table of them.
#pragma once
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/result.h"
#include "cli/output.h"

namespace portolan::cli {

struct Context {
  Output out;
  std::function<Result<>()> run = {};  // set by the chosen command
  std::vector<std::string> tail = {};  // what follows the name in `psql NAME …`, untouched
};

struct Command {
  std::string_view name;
  void (*add)(CLI::App& root, Context& context);
};

// A subcommand with --json, --quiet, --verbose and an example in its help.
CLI::App& add_command(CLI::App& parent, Context& context, std::string name, std::string description,
                      std::string example);
// A group of subcommands, one of which must be chosen.
CLI::App& add_group(CLI::App& parent, std::string name, std::string description);

// For options that say how many: a whole number from 1 to `most`. CLI11's own check speaks of fractions.
CLI::Validator one_to(std::size_t most = std::numeric_limits<std::size_t>::max());

// For options with a few values: "must be up, down or new". Shells complete them.
CLI::Validator one_of(std::vector<std::string> values);

// Keeps the options' variables alive until `run`.
template <class Options>
void on_chosen(CLI::App& app, Context& context, std::shared_ptr<Options> options, Result<> (*run)(Context&, Options&)) {
  app.callback([&context, options, run] { context.run = [&context, options, run] { return run(context, *options); }; });
}

void add_server(CLI::App& root, Context& context);
void add_node(CLI::App& root, Context& context);
void add_agent(CLI::App& root, Context& context);
void add_dev(CLI::App& root, Context& context);
void add_login(CLI::App& root, Context& context);
void add_logout(CLI::App& root, Context& context);
void add_status(CLI::App& root, Context& context);
void add_ls(CLI::App& root, Context& context);
void add_connect(CLI::App& root, Context& context);
void add_disconnect(CLI::App& root, Context& context);
void add_psql(CLI::App& root, Context& context);
void add_open(CLI::App& root, Context& context);
void add_audit(CLI::App& root, Context& context);
void add_admin(CLI::App& root, Context& context);
void add_completion(CLI::App& root, Context& context);
void add_passwd(CLI::App& root, Context& context);
void add_web_ca(CLI::App& root, Context& context);
void add_update(CLI::App& root, Context& context);
void add_release(CLI::App& root, Context& context);
void add_version(CLI::App& root, Context& context);

}  // namespace portolan::cli
