// The program: one table of commands, one place where errors become a line and an exit status.
#include <algorithm>
#include <csignal>
#include <exception>
#include <iostream>

#include <fmt/format.h>

#include "base/log.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

constexpr Command kCommands[] = {
    {"dev", add_dev},       {"login", add_login},     {"logout", add_logout},         {"status", add_status},
    {"ls", add_ls},         {"connect", add_connect}, {"disconnect", add_disconnect}, {"psql", add_psql},
    {"open", add_open},     {"audit", add_audit},     {"admin", add_admin},           {"server", add_server},
    {"node", add_node},     {"agent", add_agent},     {"passwd", add_passwd},         {"web-ca", add_web_ca},
    {"update", add_update}, {"release", add_release}, {"completion", add_completion}, {"version", add_version},
};

int status(Exit exit) { return static_cast<int>(exit); }

// The command's path as typed, for "see: portolan admin roles --help".
std::string chosen_path(const CLI::App& root) {
  std::string path = root.get_name();
  for (const CLI::App* app = &root;;) {
    const auto chosen = app->get_subcommands();
    if (chosen.empty()) return path;
    app = chosen.front();
    path += " " + app->get_name();
  }
}

int explain_usage(const CLI::App& root, const CLI::ParseError& error, const Context& context) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return root.exit(error);  // --help
  const std::string path = chosen_path(root);
  context.out.error({Code::kInvalid, fmt::format("{}; see: {} --help", error.what(), path)});
  return status(Exit::kUsage);
}

// CLI11 says only that some subcommand is missing; people want to know which word was wrong.
Result<> check_words(const CLI::App& root, const std::vector<std::string>& arguments) {
  const CLI::App* app = &root;
  std::string path = root.get_name();
  for (const std::string& word : arguments) {
    const auto commands = app->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty() || word.starts_with('-')) return {};
    const auto found = std::ranges::find(commands, word, [](const CLI::App* command) { return command->get_name(); });
    if (found == commands.end())
      return wrong_usage(fmt::format("unknown command {}; see: {} --help", quoted(word), path));
    app = *found;
    path += " " + word;
  }
  return {};
}

// What follows the resource in `portolan psql RESOURCE …` is psql's, whatever it looks like.
std::vector<std::string> split_tail(std::vector<std::string> arguments, Context& context) {
  if (arguments.empty() || arguments.front() != "psql") return arguments;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].starts_with('-')) continue;
    const auto begin = arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    context.tail.assign(begin, arguments.end());
    arguments.erase(begin, arguments.end());
    break;
  }
  return arguments;
}

// For the scripts of `portolan completion`: never a question, never an error that a prompt would show.
int print_candidates(const CLI::App& root, const std::vector<std::string>& arguments) {
  const std::vector<std::string> words(arguments.begin() + 1, arguments.end());
  log::configure(log::Level::kError, log::Format::kText, "");
  const Output out;
  for (const Candidate& candidate : complete(root, words, names_at_hand))
    out.line(candidate.value + "\t" + one_line(candidate.description));
  return status(Exit::kDone);
}

int run(std::vector<std::string> arguments) {
  Context context;
  CLI::App root("Access to databases and servers without a VPN and without shared passwords.", "portolan");
  root.require_subcommand(1);
  root.set_version_flag("--version", "portolan " + std::string(program_version()));
  root.footer("Each command explains itself: portolan COMMAND --help");
  for (const Command& command : kCommands) command.add(root, context);

  if (!arguments.empty() && arguments.front() == "__complete") return print_candidates(root, arguments);
  arguments = split_tail(std::move(arguments), context);
  if (arguments.empty()) {
    std::cerr << root.help();
    return status(Exit::kUsage);
  }
  if (auto known = check_words(root, arguments); !known) {
    context.out.error(known.error());
    return status(Exit::kUsage);
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 takes them
    root.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return explain_usage(root, error, context);
  }
  log::configure(context.out.verbose ? log::Level::kDebug : log::Level::kWarn, log::Format::kText, "");
  const Result<> done = context.run();
  if (done) return status(Exit::kDone);
  context.out.error(with_remedy(done.error()));
  return status(exit_for(done.error()));
}

}  // namespace
}  // namespace portolan::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return portolan::cli::run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::cerr << "portolan: internal error: " << error.what() << "\n";
    return static_cast<int>(portolan::cli::Exit::kFailed);
  }
}
