// portolan login: signs in, pins the control plane at first contact, and sees to it that an agent runs.
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.h"
#include "cli/background.h"
#include "cli/browser.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/secrets.h"
#include "client/sign_in.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string address;
  std::string email;
  std::string organization;
  std::string ca_file;
  std::string ca_sha256;
  std::string password_file;
  bool by_password = false;
  bool no_browser = false;
  bool no_agent = false;
};

struct LoggedIn {
  std::string control;
  std::string organization;
  std::string email;
  bool admin = false;
  WallTime ends{};
  std::string agent;  // "started", "reloaded", "not started"
};
BOOST_DESCRIBE_STRUCT(LoggedIn, (), (control, organization, email, admin, ends, agent))

Result<net::Endpoint> address_of(const Options& options, const std::optional<client::ClientState>& before) {
  std::string address = options.address;
  if (address.empty() && before) address = before->control;
  if (address.empty()) return wrong_usage("which control plane? give its address: portolan login HOST[:PORT]");
  // People paste what their browser shows.
  for (const std::string_view scheme : {"https://", "http://"})
    if (address.starts_with(scheme)) address.erase(0, scheme.size());
  if (address.ends_with('/')) address.pop_back();
  auto endpoint = net::parse_endpoint(address, 443);
  if (!endpoint) return wrong_usage(std::move(endpoint).error().message);
  return endpoint;
}

// "AB:CD…" as other programs print it, too.
std::string plain_fingerprint(std::string text) {
  std::erase(text, ':');
  for (char& c : text)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string in_groups(const std::string& fingerprint) {
  std::string out;
  for (std::size_t i = 0; i < fingerprint.size(); ++i) {
    if (i > 0 && i % 8 == 0) out += ' ';
    out += fingerprint[i];
  }
  return out;
}

Result<client::FirstContact> ask_person(const net::Endpoint& control, const std::string& fingerprint) {
  const auto answer =
      ask(fmt::format("First contact with {}. Its certificate authority has the SHA-256\n  {}\n"
                      "Compare it with what its operator tells you. Is it the right one? [y/N] ",
                      net::to_text(control), in_groups(fingerprint)));
  if (!answer)
    return wrong_usage(
        fmt::format("first contact with {}, and nobody to ask whether it is the right one; give --ca-file FILE or "
                    "--ca-sha256 (portolan server prints it at its first start)",
                    net::to_text(control)));
  if (*answer != "y" && *answer != "Y" && *answer != "yes")
    return fail(Code::kCancelled, "not signed in: the certificate authority was not confirmed");
  return client::FirstContact{std::nullopt, fingerprint};
}

// `claimed`: what the address shows of itself, unproven.
Result<client::FirstContact> contact_for(const Options& options, const net::Endpoint& control,
                                         const std::string& claimed, const std::optional<client::ClientState>& before) {
  if (!options.ca_file.empty() && !options.ca_sha256.empty())
    return wrong_usage("give one of --ca-file and --ca-sha256");
  if (!options.ca_file.empty()) {
    PL_TRY(auto pem, read_file(options.ca_file));
    return client::FirstContact{std::move(pem), std::nullopt};
  }
  if (!options.ca_sha256.empty()) return client::FirstContact{std::nullopt, plain_fingerprint(options.ca_sha256)};
  if (before && before->control == net::to_text(control) && !before->server_ca.empty())
    return client::FirstContact{before->server_ca, std::nullopt};
  return ask_person(control, claimed);
}

Result<std::string> email_of(const Options& options, const std::optional<client::ClientState>& before) {
  if (!options.email.empty()) return options.email;
  const std::string kept = before ? before->email : "";
  auto answer = ask(kept.empty() ? "E-mail: " : fmt::format("E-mail [{}]: ", kept));
  if (!answer && !kept.empty()) return kept;
  if (!answer) return wrong_usage("who is signing in? give --email");
  if (answer->empty() && !kept.empty()) return kept;
  if (answer->empty()) return wrong_usage("an e-mail address is needed");
  return answer;
}

Result<Secret> password_of(const Options& options, const std::string& email) {
  if (!options.password_file.empty()) return secret_from_file(options.password_file);
  if (auto password = secret_from_environment("PORTOLAN_PASSWORD")) {
    unsetenv("PORTOLAN_PASSWORD");  // the agent that is started does not need it
    return password;
  }
  if (isatty(STDIN_FILENO) != 1) {
    auto piped = secret_from_file("-");
    if (!piped)
      return wrong_usage(
          "no password: give --password-file FILE, PORTOLAN_PASSWORD, or the password on standard input");
    return piped;
  }
  return ask_secret(fmt::format("Password for {}: ", email));
}

// Who says who they are, or gives a password, wants no browser; nor does a script, which nobody looks at.
bool in_browser(const Options& options) {
  if (options.no_browser) return true;
  const char* password = std::getenv("PORTOLAN_PASSWORD");
  return !options.by_password && options.email.empty() && options.password_file.empty() &&
         (password == nullptr || *password == '\0') && isatty(STDIN_FILENO) == 1;
}

// Said on standard error whatever the output is to be: without it there is no going on.
void show_code(const api::DeviceCode& code, const Options& options) {
  fmt::print(stderr,
             "To sign in, open this page, and see that it shows the code {}:\n\n  {}\n\nWaiting for it (Ctrl-C gives "
             "up; with a password in the terminal: portolan login --password) ...\n",
             one_line(code.user_code), one_line(code.verification_uri_complete));
  if (!options.no_browser) open_in_browser(code.verification_uri_complete);
}

constexpr const char* kUsePassword = "use_password";

net::Task<Result<client::ClientState>> log_in_by_browser(const client::Home& home, const net::Endpoint& control,
                                                         const client::FirstContact& contact, const Options& options) {
  auto state = co_await client::sign_in_by_browser(
      home, control, contact, [&options](const api::DeviceCode& code) { show_code(code, options); });
  // A control plane of the release before.
  if (!state && state.error().reason == client::kNoBrowserSignIn && !options.no_browser)
    co_return fail(Code::kNotFound, "", kUsePassword);
  co_return state;
}

net::Task<Result<client::ClientState>> log_in_by_password(const client::Home& home, const net::Endpoint& control,
                                                          client::FirstContact contact,
                                                          const std::optional<client::ClientState>& before,
                                                          const Options& options) {
  CO_TRY(const auto email, email_of(options, before));
  CO_TRY(auto password, password_of(options, email));
  auto state = co_await client::sign_in(home, control, std::move(contact), email, std::move(password));
  co_return state;
}

net::Task<Result<LoggedIn>> log_in(const Options& options) {
  CO_TRY(const auto home, client::Home::from_environment());
  const auto before = home.remembered();
  CO_TRY(const auto control, address_of(options, before));
  // Before any question: a wrong address is found out now.
  CO_TRY(const auto claimed, co_await client::claimed_fingerprint(control));
  CO_TRY(auto contact, contact_for(options, control, claimed, before));
  auto signed_in = in_browser(options) ? co_await log_in_by_browser(home, control, contact, options)
                                       : Result<client::ClientState>(fail(Code::kNotFound, "", kUsePassword));
  if (!signed_in && signed_in.error().reason == kUsePassword)
    signed_in = co_await log_in_by_password(home, control, std::move(contact), before, options);
  CO_TRY(const auto state, std::move(signed_in));
  LoggedIn done{state.control, state.organization, state.email, state.admin, state.sign_in_ends, "not started"};
  if (!options.organization.empty() && options.organization != state.organization) {
    [[maybe_unused]] const auto undone = co_await client::sign_out(home);
    co_return fail(Code::kConflict, fmt::format("{} belongs to the organization {}, not to {}", net::to_text(control),
                                                quoted(state.organization), quoted(options.organization)));
  }
  if (options.no_agent) co_return done;
  CO_TRY(const auto agent, co_await reload_or_start_agent(home));
  done.agent = agent == AgentNow::kStarted ? "started" : "reloaded";
  co_return done;
}

Result<> run(Context& context, Options& options) {
  if (options.no_browser && (options.by_password || !options.email.empty() || !options.password_file.empty()))
    return wrong_usage(
        "--no-browser is for signing in on a page elsewhere; without it: --password, --email or "
        "--password-file");
  PL_TRY(const auto done, run_on_loop(log_in(options)));
  if (context.out.json) {
    context.out.object(done);
    return {};
  }
  const auto left = std::chrono::duration_cast<std::chrono::minutes>(done.ends - Clock::real().wall());
  context.out.note(fmt::format("Signed in to {} as {} for {}. See what you may use: portolan ls", done.control,
                               done.email, format_duration(left)));
  return {};
}

}  // namespace

void add_login(CLI::App& root, Context& context) {
  CLI::App& app =
      add_command(root, context, "login", "sign in, and start the agent",
                  "portolan login portolan.example                            on a page in your browser\n"
                  "  portolan login portolan.example --email you@example.com    with a password, here\n\n"
                  "With --email, --password, --password-file or PORTOLAN_PASSWORD, and where nobody sits at "
                  "a terminal, it asks for the password itself; else it shows a code and opens the page "
                  "where you approve it.");
  auto options = std::make_shared<Options>();
  app.add_option("address", options->address, "HOST[:PORT] of the control plane; the last one if it is not given");
  app.add_option("--email", options->email, "who signs in");
  app.add_option("--org", options->organization, "refuse any other organization");
  app.add_option("--ca-file", options->ca_file, "the control plane's certificate authority, PEM, for first contact");
  app.add_option("--ca-sha256", options->ca_sha256, "its SHA-256 instead");
  app.add_option("--password-file", options->password_file,
                 "a file with the password, - for standard input; else PORTOLAN_PASSWORD or a question");
  app.add_flag("--password", options->by_password, "with a password in this terminal, without a browser");
  app.add_flag("--no-browser", options->no_browser,
               "print the page's address and do not open it: for a terminal on another machine");
  app.add_flag("--no-agent", options->no_agent, "sign in only");
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
