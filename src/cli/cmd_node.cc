// portolan node: a gateway, relay or worker in this process, until it is told to stop.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/node_part.h"
#include "cli/node_updates.h"
#include "cli/secrets.h"
#include "cli/service_options.h"
#include "cli/update_source.h"
#include "update/trial.h"

namespace portolan::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : settings(app) {}
  Settings settings;
  LogOptions log;
  std::string data;
  std::string audit_key_file;
  std::string control;
  std::string join_token_file;
  std::string cluster_key_file;
  std::string name;
  std::string listen;
  std::string advertise;
  std::string proxy_protocol_from;
  std::string web_listen;
  std::string web_certificate;
  std::string web_key;
  std::string web_advertise;
  bool web_links = false;
  std::string web_ca_file;
  std::string plain_retry = "10m";
  std::string health = "127.0.0.1:9090";
  std::string metrics = "127.0.0.1:9999";
  // Within the 30 s after which Kubernetes kills, with time left to hand over the record.
  std::string drain_limit = "20s";
  std::string maintenance;
  bool require_idle = false;
  std::string update_window;
  UpdateSourceOptions updates{.prefix = "--update-"};
};

// The token is needed at the first start only; a node that has joined does not miss the file.
Result<std::optional<Secret>> join_token(const Options& options) {
  if (!options.join_token_file.empty() && !options.cluster_key_file.empty())
    return wrong_usage(
        "--join-token-file is for gateways and relays, --cluster-key-file for workers: give one of them");
  const std::string& file = options.join_token_file.empty() ? options.cluster_key_file : options.join_token_file;
  if (file.empty()) return std::optional<Secret>();
  auto token = secret_from_file(file);
  const bool joined = std::filesystem::exists(std::filesystem::path(options.data) / "node.json");
  if (!token && joined && token.error().code == Code::kNotFound) return std::optional<Secret>();
  if (!token) return std::unexpected(std::move(token).error().within("join token or cluster key"));
  return std::optional(std::move(*token));
}

Result<std::optional<node::WebListen>> web_listen(const Options& options) {
  if (options.web_certificate.empty() != options.web_key.empty())
    return wrong_usage("--web-certificate and --web-key go together");
  if (options.web_listen.empty()) {
    if (options.web_certificate.empty() && options.web_advertise.empty()) return std::optional<node::WebListen>();
    return wrong_usage("--web-certificate, --web-key and --web-advertise are for --web-listen");
  }
  if (options.listen.empty()) return wrong_usage("--web-listen is for gateways, which --listen");
  node::WebListen web;
  PL_TRY(web.at, endpoint_setting("--web-listen", options.web_listen, 443));
  web.certificate_file = options.web_certificate;
  web.key_file = options.web_key;
  web.advertise = options.web_advertise;
  return std::optional(std::move(web));
}

Result<node::NodeOptions> node_options(const Options& options) {
  if (options.data.empty()) return wrong_usage("no data folder; give --data DIR");
  if (options.control.empty()) return wrong_usage("no control plane; give --control HOST:PORT");
  node::NodeOptions node;
  node.data = options.data;
  node.audit_key_file = options.audit_key_file;
  PL_TRY(node.control, endpoint_setting("--control", options.control, 443));
  PL_TRY(node.join_token, join_token(options));
  node.name = options.name;
  if (!options.listen.empty()) {
    PL_TRY(node.listen, endpoint_setting("--listen", options.listen, 5000));
  }
  if (!options.advertise.empty() && options.listen.empty())
    return wrong_usage("--advertise is for nodes that --listen");
  node.advertise = options.advertise;
  if (!options.proxy_protocol_from.empty() && options.listen.empty())
    return wrong_usage("--proxy-protocol-from is for nodes that --listen");
  auto balancers = net::parse_address_ranges(options.proxy_protocol_from);
  if (!balancers) return wrong_usage("--proxy-protocol-from: " + balancers.error().message);
  node.proxy_protocol_from = std::move(*balancers);
  PL_TRY(node.web, web_listen(options));
  if (options.web_links && !options.listen.empty()) return wrong_usage("--web-links is for relays");
  node.web_links = options.web_links;
  node.web_ca_file = options.web_ca_file;
  PL_TRY(node.plain_retry, duration_setting("--plain-retry", options.plain_retry));
  PL_TRY(node.health, optional_endpoint("--health", options.health, 9090));
  PL_TRY(node.metrics, optional_endpoint("--metrics", options.metrics, 9999));
  PL_TRY(node.drain_limit, duration_setting("--drain-limit", options.drain_limit, Nothing::kAllowed));
  return node;
}

// Of lines of the log. What the node has joined as is known later only.
std::string part_name(const Options& options) {
  if (!options.cluster_key_file.empty()) return "worker";
  return options.listen.empty() ? "relay" : "gateway";
}

Result<Maintenance> maintenance_options(const Options& options) {
  Maintenance maintenance{{}, options.require_idle};
  if (options.maintenance.empty()) return maintenance;
  auto window = Cron::parse(options.maintenance);
  if (!window) return wrong_usage("--maintenance: " + window.error().message);
  maintenance.window = *window;
  return maintenance;
}

std::filesystem::path update_folder(const Options& options) { return std::filesystem::path(options.data) / "update"; }

Result<std::unique_ptr<NodeUpdates>> node_updates(const Options& options) {
  if (options.update_window.empty()) return nullptr;
  auto window = Cron::parse(options.update_window);
  if (!window) return wrong_usage("--update-window: " + window.error().message);
  PL_TRY(auto source, update_source(options.updates, ControlKnown{options.control}));
  PL_TRY(auto anchor, update_anchor(options.updates));
  PL_TRY(auto place, update::this_place());
  PL_CHECK(update::check_replaceable(place));
  PL_TRY(auto version, update::Version::parse(program_version()));
  return std::make_unique<NodeUpdates>(NodeUpdateOptions{.window = std::move(*window),
                                                         .require_idle = options.require_idle,
                                                         .source = std::move(source),
                                                         .updater = {.anchor = std::move(anchor),
                                                                     .channel = options.updates.channel,
                                                                     .state_folder = update_folder(options),
                                                                     .place = std::move(place),
                                                                     .version = std::move(version)}});
}

// This version has begun too often without coming to serve: the one before is back, and is to be started.
bool left_this_version(const Options& options) {
  const auto place = update::this_place();
  const auto version = update::Version::parse(program_version());
  if (!place || !version) return false;
  const auto before = update::begin_start(update_folder(options), *place, *version);
  if (before)
    log::error("this version does not come to serve; going back", {{"from", version->text()}, {"to", *before}});
  return before.has_value();
}

struct Started {
  std::string node;
  std::string name;
  std::string listen;
  std::string kind;
};
BOOST_DESCRIBE_STRUCT(Started, (), (node, name, listen, kind))

std::string in_words(std::string kind) {
  kind.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(kind.front())));
  std::ranges::replace(kind, '-', ' ');
  return kind;
}

void announce(const Output& out, const node::Node& node) {
  const auto local = node.local();
  const Started started{node.id(), node.name(), local ? net::to_text(*local) : "", node.kind()};
  if (out.json) return out.object(started);
  out.note(local ? fmt::format("{} {} ({}) listens on {}.", in_words(started.kind), started.name, started.node,
                               started.listen)
                 : fmt::format("{} {} ({}) runs; it listens on nothing and dials the {}.", in_words(started.kind),
                               started.name, started.node, started.kind == "relay" ? "gateways" : "bridge workers"));
}

Result<> run(Context& context, Options& options) {
  PL_CHECK(options.settings.load());
  if (options.settings.asked_to_print()) {
    options.settings.print(context.out);
    return {};
  }
  PL_CHECK(configure_log(options.log, context.out, part_name(options)));
  PL_TRY(const node::NodeOptions node, node_options(options));
  PL_TRY(const Maintenance maintenance, maintenance_options(options));
  if (left_this_version(options)) return restart_due();
  PL_TRY(const auto updates, node_updates(options));
  prepare_process();
  auto ended = run_part([node, maintenance,
                         &updates](net::Loop& loop) { return NodePart::start(loop, node, maintenance, updates.get()); },
                        [&](Result<Part*> started) {
                          if (started) announce(context.out, static_cast<const NodePart&>(**started).node());
                        });
  // Not when the node was told to stop: whoever stops it may mean to start what there is.
  const bool restarts = !ended && exit_for(ended.error()) == Exit::kRestart;
  if (updates && restarts) updates->install();
  return ended;
}

}  // namespace

void add_node(CLI::App& root, Context& context) {
  CLI::App& app = add_command(root, context, "node",
                              "a gateway (with --listen), a relay, which only dials out, or a worker of a cluster",
                              "portolan node --data /var/lib/portolan-gateway --control portolan.example:443 \\\n"
                              "    --join-token-file ./token --listen :5000 --advertise gateway.example:5000");
  auto options = std::make_shared<Options>(app);
  Settings& settings = options->settings;
  settings.add("--data", options->data, "the folder with its identity and its audit spool");
  settings.add(
      "--audit-key-file", options->audit_key_file,
      "the key that seals the audit spool, made at the first start; audit.key in the data folder if not given, "
      "which a copy of that folder has with it");
  settings.add("--control", options->control, "HOST:PORT of the control plane");
  settings.add("--join-token-file", options->join_token_file,
               "for the first start; from: portolan admin nodes token create");
  settings.add("--cluster-key-file", options->cluster_key_file,
               "for the first start of a worker of a proxy cluster; from: portolan admin clusters keys create");
  settings.add("--name", options->name, "of a new node; the host's name if it is not given");
  settings.add("--listen", options->listen,
               "HOST:PORT where it accepts connections: a gateway, or a worker that is not behind a bridge");
  settings.add("--advertise", options->advertise, "HOST:PORT at which others find this node, if not where it listens");
  settings.add("--proxy-protocol-from", options->proxy_protocol_from,
               "addresses or networks (10.0.0.0/8,…) of balancers before --listen: each connection from there, and "
               "from nowhere else, must begin with a PROXY protocol header (version 2), whose address is the client's");
  settings.add("--web-listen", options->web_listen,
               "HOST:PORT where a gateway takes links over WebSocket too, for networks that let only HTTP pass; 443 if "
               "no port is given. Without a certificate it is plain HTTP on loopback, for an HTTPS proxy in front");
  settings.add("--web-certificate", options->web_certificate,
               "the operator's certificate chain for it, PEM; read again when it changes");
  settings.add("--web-key", options->web_key, "its key, PEM, which nobody else may read");
  settings.add(
      "--web-advertise", options->web_advertise,
      "HOST:PORT at which clients, and relays with --web-links, find it; the host of --advertise if it is not given");
  settings.add_switch("--web-links", options->web_links,
                      "for a relay: where a gateway's own port cannot be reached, it links over WebSocket with the "
                      "web address of that gateway, if it has one; off, since a firewall that is set up by the ports "
                      "guide lets a relay dial no such port");
  settings.add("--web-ca-file", options->web_ca_file,
               "for --web-links: certificates, PEM, of authorities to trust beside the system's");
  settings.add(
      "--plain-retry", options->plain_retry,
      "for --web-links, while a gateway is reached by WebSocket: its own port is tried again after a minute, then "
      "less often, at most after so long");
  settings.add("--health", options->health, "HOST:PORT of /liveness and /readiness, or none");
  settings.add("--metrics", options->metrics, "HOST:PORT of /metrics, or none");
  settings.add(
      "--drain-limit", options->drain_limit,
      "how long it waits, when it is told to stop, for sessions to end and for people's connections to move to "
      "other gateways; a second signal ends it at once");
  settings.add(
      "--maintenance", options->maintenance,
      "the minutes, in UTC, in which a restart that is asked for by SIGHUP may begin, as cron has them: "
      "\"* 2-3 * * 6\" is Saturdays from 2 to 4; at any time if it is not given. It then leaves as when it is told "
      "to stop, with exit status 75");
  settings.add_switch("--require-idle", options->require_idle, "such a restart waits until no session runs here");
  settings.add(
      "--update-window", options->update_window,
      "the minutes, in UTC, in which it looks for a newer release, leaves as for a restart, and is replaced by "
      "it; never if it is not given");
  add_update_source_options(settings, options->updates);
  add_log_options(settings, options->log);
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
