// portolan dev: everything on this machine in one command, for trying it out and for tests.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/dev_deployment.h"
#include "cli/exit.h"
#include "cli/resource_url.h"
#include "cli/service_options.h"

namespace portolan::cli {
namespace {

struct Options {
  std::string data;
  std::vector<std::string> resources;
  std::vector<std::string> resource_files;
  std::string ready_file;
  std::uint16_t port_base = 0;
  std::size_t gateways = 1;
  bool nested_paths = false;
  std::size_t relays = 1;
  std::string certificate_life;
  std::string drain_limit = "0s";
  bool separate = false;
  std::string email = "admin@example.com";
  std::string log_level = "warn";
};

std::unexpected<Error> as_usage(Error error) { return wrong_usage(std::move(error.message)); }

Result<std::string> read_lines(const std::string& file) {
  if (file != "-") return read_file(file);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

Result<std::vector<ResourceDefinition>> definitions(const Options& options, const Output& out) {
  std::vector<ResourceDefinition> all;
  for (const std::string& text : options.resources) {
    auto parsed = parse_resource(text);
    if (!parsed) return as_usage(std::move(parsed).error().within("--resource"));
    if (parsed->password)
      out.warn("the password of " + quoted(parsed->name) +
               " is on the command line, where other users of this machine can read it; use --resource-file");
    all.push_back(std::move(*parsed));
  }
  for (const std::string& file : options.resource_files) {
    PL_TRY(const auto text, read_lines(file));
    auto parsed = parse_resource_lines(text);
    if (!parsed) return as_usage(std::move(parsed).error().within(file == "-" ? "--resource-file" : file));
    std::move(parsed->begin(), parsed->end(), std::back_inserter(all));
  }
  std::set<std::string> names;
  for (const ResourceDefinition& definition : all)
    if (!names.insert(definition.name).second)
      return wrong_usage("the resource " + quoted(definition.name) + " is given twice");
  return all;
}

Result<std::vector<api::ResourceCreate>> resources(const Options& options, const Output& out) {
  PL_TRY(const auto all, definitions(options, out));
  std::vector<api::ResourceCreate> creates;
  for (const ResourceDefinition& definition : all) {
    PL_TRY(creates.emplace_back(), to_create(definition));
  }
  return creates;
}

Result<> check_counts(const Options& options) {
  if (options.gateways < 1 || options.gateways > DevPorts::kMostGateways)
    return wrong_usage(fmt::format("--gateways: must be 1 to {}", DevPorts::kMostGateways));
  if (options.gateways + options.relays > DevPorts::kMostNodes)
    return wrong_usage(fmt::format("gateways and relays: at most {} together", DevPorts::kMostNodes));
  return {};
}

std::optional<std::uint16_t> last_base(const std::filesystem::path& folder) {
  const auto text = read_file(folder / "port-base");
  std::uint16_t base = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), base).ec != std::errc()) return std::nullopt;
  return base;
}

// A line to paste. A resource that pins a database takes it from there whatever the client names.
std::string line_to_try(const DevResource& resource, const DevOptions& options) {
  const auto endpoint = net::parse_endpoint(resource.address);
  if (resource.type != "postgres" || !endpoint) return "";
  const auto made = std::ranges::find(options.resources, resource.name, &api::ResourceCreate::name);
  const bool pinned = made != options.resources.end() && made->settings && made->settings->contains("database");
  return fmt::format("psql -h {} -p {}{}", endpoint->host, endpoint->port, pinned ? "" : " -d postgres");
}

void print_summary(const Output& out, const DevDeployment& deployment, const DevOptions& options) {
  const DevReady& ready = deployment.ready();
  if (out.json) {
    auto value = json::to_value(ready);
    value.get_object().erase("password");
    value.get_object().erase("token");
    out.line(json::print(value));
    return;
  }
  if (out.quiet) return;
  out.line(fmt::format("Portolan {} is up, on ports from {}.\n", PORTOLAN_VERSION, options.ports.base));
  out.line(fmt::format("  control plane  {}  {}, password in {}", ready.admin_url, ready.email,
                       (options.data / "admin.password").string()));
  for (std::size_t i = 0; i < deployment.nodes().size(); ++i) {
    const DevNode& node = deployment.nodes()[i];
    out.line(node.kind == "gateway" ? fmt::format("  {:<13}  {}", node.name, net::to_text(deployment.gateway(i)))
                                    : fmt::format("  {:<13}  dials the gateways", node.name));
  }
  out.line(fmt::format("  client         export PORTOLAN_HOME={}\n", ready.home));
  Table table({{"RESOURCE"}, {"TYPE"}, {"ADDRESS"}, {"TRY"}});
  for (const DevResource& resource : ready.resources) {
    table.add({resource.name, resource.type, resource.address, line_to_try(resource, options)});
  }
  if (!table.empty()) out.text(table.print(0, out.paint()));
  for (const std::string& failed : deployment.failed()) out.warn("cannot listen for " + failed);
  out.line(
      table.empty()
          ? "No resources given; add some with --resource-file, or: portolan admin resources create\nCtrl-C ends it."
          : "\nCtrl-C ends it.");
}

// From the first part to the last, and back down on a signal or a failure.
class Run {
 public:
  Run(net::Loop& loop, const DevOptions& options, const Output& out)
      : loop_(loop),
        out_(out),
        options_(options),
        deployment_(loop.executor(), options,
                    [&out](const std::string& what) {
                      if (out.on_terminal()) out.note(what + " …");
                    }),
        changed_(loop.executor()),
        tasks_(loop.executor()) {}

  net::Task<> live() {
    tasks_.spawn("bring-up", bring_up());
    while (!over_) {
      [[maybe_unused]] const auto waited = co_await changed_.wait(std::chrono::hours(24));
    }
    tasks_.cancel();
    co_await tasks_.join();
    co_await deployment_.bring_down();
    loop_.stop();
  }
  void end() {
    over_ = true;
    changed_.set();
  }
  const Result<>& result() const { return result_; }

 private:
  net::Task<> bring_up() {
    auto up = co_await deployment_.bring_up();
    if (up) {
      print_summary(out_, deployment_, options_);
    } else {
      result_ = std::move(up);
      end();
    }
  }

  net::Loop& loop_;
  const Output& out_;
  const DevOptions& options_;
  DevDeployment deployment_;
  Result<> result_;
  bool over_ = false;
  net::Event changed_;
  net::TaskGroup tasks_;
};

Result<> run_dev(const DevOptions& options, const Output& out) {
  net::Loop loop;
  Run run(loop, options, out);
  net::TaskGroup tasks(loop.executor());
  bool asked = false;
  net::SignalWatch signals(loop.executor(), [&](int signal) {
    if (asked) _exit(128 + signal);
    asked = true;
    run.end();
  });
  tasks.spawn("dev", run.live());
  loop.run();
  if (asked) return {};
  return run.result();
}

Result<> run(Context& context, Options& options) {
  PL_CHECK(check_counts(options));
  DevOptions dev;
  PL_TRY(dev.resources, resources(options, context.out));
  if (dev.resources.size() > DevPorts::kMostResources)
    return wrong_usage(fmt::format("at most {} resources", DevPorts::kMostResources));
  PL_CHECK(configure_log({.level = options.log_level}, context.out, options.separate ? "dev" : ""));
  std::error_code error;
  dev.data = std::filesystem::absolute(options.data, error).lexically_normal();
  if (!options.ready_file.empty())
    dev.ready_file = std::filesystem::absolute(options.ready_file, error).lexically_normal();
  PL_CHECK(make_folder(dev.data, Privacy::kPrivate));
  // Two `dev` on one folder would spoil it.
  PL_TRY(const auto lock, FolderLock::take(dev.data, "dev.lock"));
  dev.email = options.email;
  dev.gateways = options.gateways;
  dev.nested_paths = options.nested_paths;
  dev.relays = options.relays;
  dev.separate = options.separate;
  if (!options.certificate_life.empty()) {
    PL_TRY(dev.certificate_life, duration_setting("--certificate-life", options.certificate_life));
  }
  PL_TRY(dev.drain_limit, duration_setting("--drain-limit", options.drain_limit, Nothing::kAllowed));
  dev.log_arguments = {"--log-level", context.out.verbose ? "debug" : options.log_level, "--quiet"};
  std::unique_ptr<BaseReservation> reservation;
  if (options.port_base != 0) {
    PL_CHECK(check_base(options.port_base));
    dev.ports.base = options.port_base;
  } else {
    PL_TRY(auto chosen, choose_base(last_base(dev.data)));
    dev.ports = chosen.ports;
    reservation = std::move(chosen.reservation);
  }
  prepare_process();
  return run_dev(dev, context.out);
}

}  // namespace

void add_dev(CLI::App& root, Context& context) {
  CLI::App& app = add_command(
      root, context, "dev", "everything on this machine in one command, for trying it out and for tests",
      "portolan dev --data ./dev --resource 'billing=postgres://app@db.example:5432/billing?password_file=./password'");
  auto options = std::make_shared<Options>();
  app.add_option("--data", options->data, "the folder with its state; made at the first start")->required();
  app.add_option("--resource", options->resources, "NAME=URL; schemes: " + known_schemes())->allow_extra_args(false);
  app.add_option("--resource-file", options->resource_files, "a file with lines NAME=URL, - for standard input")
      ->allow_extra_args(false);
  app.add_option("--ready-file", options->ready_file,
                 "where to write addresses and credentials, as JSON, when it can be used");
  app.add_option("--port-base", options->port_base, "the lowest of its ports; a free one is chosen if it is not given");
  app.add_option("--gateways", options->gateways, "how many gateways")->capture_default_str();
  app.add_option("--relays", options->relays, "how many relays")->capture_default_str();
  app.add_option(
      "--certificate-life", options->certificate_life,
      "how long certificates of people, nodes and the control plane last, to see them renew; else 1h, 30d, 90d");
  app.add_flag("--nested-paths", options->nested_paths, "no spliced paths: see portolan agent --help");
  app.add_option("--drain-limit", options->drain_limit, "of the nodes: see portolan node --help")
      ->capture_default_str();
  app.add_flag("--separate", options->separate, "every part a process of its own, started again if it dies");
  app.add_option("--email", options->email, "the first account")->capture_default_str();
  app.add_option("--log-level", options->log_level, "debug, info, warn or error")->capture_default_str();
  on_chosen(app, context, options, run);
}

}  // namespace portolan::cli
