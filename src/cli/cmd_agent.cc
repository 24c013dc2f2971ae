// portolan agent: the client's agent in the foreground. `portolan login` starts it in the background.
#include <pwd.h>

#include <charconv>

#include <fmt/format.h>

#include "cli/agent_part.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/service_options.h"

namespace portolan::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : settings(app) {}
  Settings settings;
  LogOptions log;
  std::string status = "127.0.0.1:65220";
  bool no_status_port = false;
  std::string web_proxy = "127.0.0.1:65230";
  bool connect_all = false;
  bool nested_paths = false;
  std::string web_ca_file;
  std::string plain_retry = "10m";
  std::vector<std::string> allowed_users;
};

Result<uid_t> user_id(const std::string& user) {
  uid_t id = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), id);
  if (error == std::errc() && end == user.data() + user.size()) return id;
  if (const passwd* found = getpwnam(user.c_str())) return found->pw_uid;
  return wrong_usage("--allow-user " + quoted(user) + ": there is no such user on this machine");
}

// Browsers take NAME.localhost to this machine alone, and nobody else is to use it.
Result<std::optional<net::Endpoint>> web_proxy(const std::string& text) {
  PL_TRY(auto at, optional_endpoint("--web-proxy", text, 65230));
  if (at && !at->host.starts_with("127.") && at->host != "::1" && at->host != "localhost")
    return wrong_usage("--web-proxy: must be an address of loopback, such as 127.0.0.1:65230, or none");
  return at;
}

Result<client::AgentOptions> agent_options(const Options& options) {
  client::AgentOptions agent;
  PL_TRY(agent.home, client::Home::from_environment());
  PL_TRY(agent.status, optional_endpoint("--status", options.no_status_port ? "none" : options.status, 65220));
  PL_TRY(agent.web, web_proxy(options.web_proxy));
  agent.connect_all = options.connect_all;
  if (options.nested_paths) agent.paths = client::PathKinds::kNestedOnly;
  agent.web_ca_file = options.web_ca_file;
  PL_TRY(agent.plain_retry, duration_setting("--plain-retry", options.plain_retry));
  for (const std::string& user : options.allowed_users) {
    PL_TRY(const uid_t id, user_id(user));
    agent.allowed_users.push_back(id);
  }
  return agent;
}

Result<> run(Context& context, Options& options) {
  PL_CHECK(options.settings.load());
  if (options.settings.asked_to_print()) {
    options.settings.print(context.out);
    return {};
  }
  PL_CHECK(configure_log(options.log, context.out, "agent"));
  PL_TRY(const client::AgentOptions agent, agent_options(options));
  prepare_process();
  return run_part([agent](net::Loop& loop) { return AgentPart::start(loop, agent); },
                  [&](Result<Part*> started) {
                    if (started)
                      context.out.note(fmt::format("The agent runs; its home is {}.", agent.home.folder().string()));
                  });
}

}  // namespace

void add_agent(CLI::App& root, Context& context) {
  CLI::App& app =
      add_command(root, context, "agent", "the client's agent in the foreground (login starts it in the background)",
                  "portolan agent --connect-all");
  auto options = std::make_shared<Options>(app);
  Settings& settings = options->settings;
  settings.add("--status", options->status, "HOST:PORT of the status API");
  settings.add_switch("--no-status-port", options->no_status_port, "the status API on its Unix socket only");
  settings.add("--web-proxy", options->web_proxy,
               "HOST:PORT of the web proxy, by which browsers reach web resources, or none");
  settings.add_switch("--connect-all", options->connect_all, "connect every resource as it appears");
  settings.add_switch("--nested-paths", options->nested_paths,
                      "never open plain connections to gateways: all goes through their TLS");
  settings.add(
      "--web-ca-file", options->web_ca_file,
      "where gateways are reached by WebSocket: certificates, PEM, of authorities to trust beside the system's, "
      "such as that of a proxy that inspects TLS");
  settings.add("--plain-retry", options->plain_retry,
               "while a gateway is reached by WebSocket, its own port is tried again after a minute, then less often, "
               "at most after so long");
  settings.add("--allow-user", options->allowed_users,
               "other users of this machine who may use the connected resources");
  add_log_options(settings, options->log);
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
