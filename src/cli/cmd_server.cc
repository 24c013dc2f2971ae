// portolan server: the control plane in this process, until it is told to stop.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file.h"
#include "base/id.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/secrets.h"
#include "cli/server_part.h"
#include "cli/service_options.h"
#include "cli/services_part.h"
#include "control/reseal.h"
#include "control/server.h"

namespace portolan::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : settings(app) {}
  Settings settings;
  LogOptions log;
  std::string data;
  std::string listen = "0.0.0.0:443";
  ServeOptions serve;
  std::string organization;
  std::vector<std::string> public_names;
  std::string public_url;
  std::string certificate;
  std::string key;
  std::string sealing_key_file;
  std::string sealing_passphrase_file;
  std::string sign_in_life = "12h";
  std::string lease_life = "5m";
  std::string node_life = "30d";
  std::string check_interval = "60s";
  std::string certificate_life = "1h";
  std::string server_life = "90d";
  unsigned sign_ins_per_minute = 60;
  std::string reseal_key_file;
  std::string reseal_passphrase_file;
  bool reseal_environment = false;
  std::string admin_email;
  std::string admin_password_file;
  std::string admin_password_out;
  std::string ca_out;
};

// A key of the environment, which what is started from here does not get.
std::optional<control::SealingSource> sealing_key_in(const char* variable) {
  auto text = secret_from_environment(variable);
  if (!text) return std::nullopt;
  unsetenv(variable);
  return control::SealingText{std::move(*text)};
}

Result<control::SealingSource> sealing_source(const Options& options) {
  auto from_environment = sealing_key_in("PORTOLAN_SEALING_KEY");
  const bool in_environment = from_environment.has_value();
  const int given = !options.sealing_key_file.empty() + !options.sealing_passphrase_file.empty() + in_environment;
  if (given != 1)
    return wrong_usage(
        given == 0
            ? "no key to seal secrets with; give --sealing-key-file FILE (made at the first start, to be kept outside "
              "the data folder), --sealing-passphrase-file FILE or PORTOLAN_SEALING_KEY"
            : "more than one key to seal secrets with; give one of --sealing-key-file, --sealing-passphrase-file and "
              "PORTOLAN_SEALING_KEY");
  if (!options.sealing_key_file.empty()) return control::SealingFile{options.sealing_key_file};
  if (from_environment) return std::move(*from_environment);
  PL_TRY(auto passphrase, secret_from_file(options.sealing_passphrase_file));
  return control::SealingPassphrase{std::move(passphrase)};
}

Result<control::ServerOptions> server_options(const Options& options) {
  if (options.data.empty()) return wrong_usage("no data folder; give --data DIR");
  control::ServerOptions server;
  server.data = options.data;
  PL_TRY(server.listen, endpoint_setting("--listen", options.listen, 443));
  server.public_names = options.public_names;
  server.public_url = options.public_url;
  if (options.certificate.empty() != options.key.empty()) return wrong_usage("--cert and --key go together");
  if (!options.certificate.empty()) {
    server.certificate_file = options.certificate;
    server.key_file = options.key;
  }
  PL_TRY(server.sealing, sealing_source(options));
  server.organization = options.organization;
  PL_TRY(server.sign_in_life, duration_setting("--sign-in-life", options.sign_in_life));
  PL_TRY(server.lease_life, duration_setting("--lease-life", options.lease_life));
  PL_TRY(server.node_life, duration_setting("--node-life", options.node_life));
  server.checks.interval = std::chrono::milliseconds(0);
  if (options.check_interval != "off") {
    PL_TRY(server.checks.interval, duration_setting("--check-interval", options.check_interval));
    if (server.checks.interval < std::chrono::seconds(5))
      return wrong_usage("--check-interval: must be 5s or more, or off");
  }
  PL_TRY(server.certificate_life, duration_setting("--certificate-life", options.certificate_life));
  PL_TRY(server.server_life, duration_setting("--server-life", options.server_life));
  if (options.sign_ins_per_minute == 0) return wrong_usage("--sign-ins-per-minute: must be 1 or more");
  server.rates.sign_in.per_second = options.sign_ins_per_minute / 60.0;
  server.rates.sign_in.burst = std::max<double>(server.rates.sign_in.burst, options.sign_ins_per_minute);
  return server;
}

// The new sealing key, if the sealing key is to be replaced.
Result<std::optional<control::SealingSource>> next_sealing_source(const Options& options) {
  const int given =
      !options.reseal_key_file.empty() + !options.reseal_passphrase_file.empty() + options.reseal_environment;
  if (given == 0) return std::nullopt;
  if (given > 1) return wrong_usage("give one of --reseal-with-key-file, -passphrase-file and -environment");
  if (!options.reseal_key_file.empty()) return control::SealingFile{options.reseal_key_file};
  if (!options.reseal_passphrase_file.empty()) {
    PL_TRY(auto passphrase, secret_from_file(options.reseal_passphrase_file));
    return control::SealingPassphrase{std::move(passphrase)};
  }
  auto source = sealing_key_in("PORTOLAN_NEW_SEALING_KEY");
  if (!source) return wrong_usage("--reseal-with-environment: PORTOLAN_NEW_SEALING_KEY is not set");
  return source;
}

struct ResealedView {
  std::string old_key;
  std::string new_key;
  std::uint64_t values = 0;
};
BOOST_DESCRIBE_STRUCT(ResealedView, (), (old_key, new_key, values))

Result<> reseal(const Output& out, const control::ServerOptions& server, const control::SealingSource& next) {
  PL_TRY(const auto done, control::reseal(server, next));
  if (out.json) out.object(ResealedView{done.old_key, done.new_key, done.values});
  out.note(
      fmt::format("Sealed {} values with the key {}; the old one ({}) opens nothing any more, but for backups made "
                  "before. Start the server with the new key from now on.",
                  done.values, done.new_key, done.old_key));
  return {};
}

// The first admin's password: from the file; else made up, and shown once where only its owner sees it.
Result<std::optional<FirstAdmin>> first_admin(const Options& options, const Output& out, bool& show) {
  if (options.admin_email.empty()) {
    if (!options.admin_password_file.empty()) return wrong_usage("--admin-password-file needs --admin-email");
    return std::optional<FirstAdmin>();
  }
  if (!options.admin_password_file.empty()) {
    PL_TRY(auto password, secret_from_file(options.admin_password_file));
    return std::optional(FirstAdmin{options.admin_email, std::move(password)});
  }
  if (options.admin_password_out.empty() && !out.on_terminal())
    return wrong_usage(
        "--admin-email needs --admin-password-file FILE, or --admin-password-out FILE for a password that is made up");
  show = true;
  return std::optional(FirstAdmin{options.admin_email, Secret(make_token(15))});
}

struct Started {
  std::string listen;
  std::string organization;
  std::string ca_sha256;
  bool first_start = false;
};
BOOST_DESCRIBE_STRUCT(Started, (), (listen, organization, ca_sha256, first_start))

void announce(const Output& out, const ServerPart& part) {
  const control::Server& server = part.server();
  const Started started{net::to_text(server.local()), server.organization(), server.server_ca_sha256(),
                        server.first_start()};
  if (out.json) return out.object(started);
  out.note(fmt::format("The control plane of {} listens on {}.", quoted(started.organization), started.listen));
  if (started.first_start)
    out.note(fmt::format("First contact: its server CA has the SHA-256 {}\n  portolan login ADDRESS --ca-sha256 {}",
                         started.ca_sha256, started.ca_sha256));
}

Result<> hand_over_password(const Output& out, const Options& options, const FirstAdmin& admin) {
  if (options.admin_password_out.empty()) {
    out.note(
        fmt::format("The first admin is {} with the password {}\n  It is shown only now; change it with: portolan "
                    "admin accounts update {}",
                    admin.email, admin.password.reveal(), admin.email));
    return {};
  }
  PL_CHECK(write_file(options.admin_password_out, admin.password.reveal() + "\n", Privacy::kPrivate));
  out.note(fmt::format("The first admin is {}; the password is in {}", admin.email, options.admin_password_out));
  return {};
}

struct Listening {
  std::string listen;
  std::vector<std::string> services;
};
BOOST_DESCRIBE_STRUCT(Listening, (), (listen, services))

// Services with no control plane beside them, which need a certificate of the operator's.
Result<> run_services(const Output& out, const Options& options, services::Options chosen) {
  ServicesPartOptions part{{}, std::move(chosen)};
  PL_TRY(part.server.listen, endpoint_setting("--listen", options.listen, 443));
  if (options.certificate.empty() || options.key.empty())
    return wrong_usage("without app there is no server CA; give --cert FILE and --key FILE");
  part.server.certificate_file = options.certificate;
  part.server.key_file = options.key;
  prepare_process();
  return run_part([part](net::Loop& loop) { return ServicesPart::start(loop, part); },
                  [&](Result<Part*> started) {
                    if (!started) return;
                    Listening now{net::to_text(static_cast<const ServicesPart&>(**started).server().local()), {}};
                    for (const auto kind : part.services.kinds) now.services.emplace_back(services::name_of(kind));
                    if (out.json) return out.object(now);
                    out.note(fmt::format("{} on {}.", fmt::join(now.services, ", "), now.listen));
                  });
}

Result<> run(Context& context, Options& options) {
  PL_CHECK(options.settings.load());
  if (options.settings.asked_to_print()) {
    options.settings.print(context.out);
    return {};
  }
  PL_CHECK(configure_log(options.log, context.out, "server"));
  PL_TRY(auto chosen, served(options.serve));
  if (!chosen.app) return run_services(context.out, options, std::move(chosen.services));
  PL_TRY(auto server_settings, server_options(options));
  PL_TRY(const auto next, next_sealing_source(options));
  if (next) return reseal(context.out, server_settings, *next);
  bool show = false;
  PL_TRY(const auto admin, first_admin(options, context.out, show));
  ServerPartOptions part{std::move(server_settings), admin, {}, std::move(chosen.services)};
  if (!options.ca_out.empty()) part.ca_out = options.ca_out;
  prepare_process();
  Result<> handed;
  PL_CHECK(run_part([part](net::Loop& loop) { return ServerPart::start(loop, part); },
                    [&](Result<Part*> started) {
                      if (!started) return;
                      const auto& server = static_cast<const ServerPart&>(**started);
                      announce(context.out, server);
                      if (show && server.made_admin()) handed = hand_over_password(context.out, options, *admin);
                      if (!handed) context.out.error(handed.error());
                    }));
  return handed;
}

}  // namespace

void add_server(CLI::App& root, Context& context) {
  CLI::App& app =
      add_command(root, context, "server", "the control plane",
                  "portolan server --data /var/lib/portolan --sealing-key-file /etc/portolan/sealing.key \\\n"
                  "    --admin-email you@example.com --admin-password-out ./password");
  auto options = std::make_shared<Options>(app);
  Settings& settings = options->settings;
  settings.add("--data", options->data, "the folder with its state; made at the first start");
  settings.add("--listen", options->listen, "HOST:PORT");
  add_serve_options(settings, options->serve);
  settings.add("--organization", options->organization,
               "goes into identities, fixed by the first start; \"portolan\" if it is not given");
  settings.add("--public-name", options->public_names,
               "names and addresses for the certificate that the server CA makes");
  settings.add("--public-url", options->public_url,
               "the issuer of identity tokens, which applications compare: https://NAME; made of the first "
               "--public-name and the port if it is not given");
  settings.add("--cert", options->certificate, "the operator's certificate chain for the public name, PEM");
  settings.add("--key", options->key, "its private key");
  settings.add("--sealing-key-file", options->sealing_key_file, "the key that seals secrets; made at the first start");
  settings.add("--sealing-passphrase-file", options->sealing_passphrase_file,
               "a file with a passphrase, instead of a key; or a key in PORTOLAN_SEALING_KEY");
  settings.add("--sign-in-life", options->sign_in_life, "the absolute end of a sign-in");
  settings.add("--lease-life", options->lease_life, "how long nodes may go on without asking again");
  settings.add("--node-life", options->node_life,
               "of a node's certificate; as all, it renews itself at two thirds of its life");
  settings.add("--check-interval", options->check_interval,
               "how often each node signs in to each resource to see whether it can be used; off: only when asked for");
  settings.add("--certificate-life", options->certificate_life,
               "of a person's certificate, which renews itself until the sign-in ends");
  settings.add("--server-life", options->server_life, "of the certificates that the server CA makes for this server");
  settings.add("--sign-ins-per-minute", options->sign_ins_per_minute,
               "attempts that one address may make in the long run: more for many people behind one address");
  app.add_option("--reseal-with-key-file", options->reseal_key_file,
                 "replace the sealing key by the one in this file (made if it is missing) and end: stop the server, "
                 "run it once with its old key and this, start it with the new one");
  app.add_option("--reseal-with-passphrase-file", options->reseal_passphrase_file,
                 "the same with a passphrase in a file");
  app.add_flag("--reseal-with-environment", options->reseal_environment,
               "the same with the key in PORTOLAN_NEW_SEALING_KEY");
  settings.add("--admin-email", options->admin_email, "an admin to make if there is no such account");
  settings.add("--admin-password-file", options->admin_password_file, "a file with that admin's password");
  settings.add("--admin-password-out", options->admin_password_out, "where to write a password that is made up");
  settings.add("--ca-out", options->ca_out, "where to write the server CA, for login --ca-file");
  add_log_options(settings, options->log);
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
