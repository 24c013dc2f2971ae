#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file.h"
#include "cli/admin.h"
#include "cli/admin_details.h"
#include "cli/admin_health.h"
#include "cli/exit.h"
#include "cli/resource_url.h"
#include "cli/secrets.h"
#include "cli/tag_options.h"
#include "protocols/driver.h"

namespace portolan::cli {
namespace {

// One cell for each resource. Without it, from a control plane of an older version or for a token that may not, the
// list is good all the same.
Result<std::map<std::string, std::vector<std::string>>> health_cells(const std::vector<api::ResourceView>& resources) {
  std::map<std::string, std::vector<std::string>> cells;
  Query query{{"limit", "1000"}};
  if (resources.size() == 1) query["resource"] = resources[0].id;
  auto health = call_list<api::ResourceHealthView>("/v1/health/resources", query);
  if (!health && health.error().code != Code::kNotFound && health.error().code != Code::kDenied)
    return std::unexpected(std::move(health).error());
  std::map<std::string, std::vector<api::ResourceHealthView>> by_resource;
  if (health)
    for (auto& each : *health) by_resource[each.resource].push_back(std::move(each));
  for (const auto& resource : resources) cells[resource.id] = {health_in_short(by_resource[resource.id])};
  return cells;
}

std::vector<std::string> known_types() {
  std::vector<std::string> types;
  for (const auto& protocol : protocols::registry()) types.emplace_back(protocol.name);
  return types;
}

Kind<api::ResourceView> kind() {
  return {"admin resources",
          "resource",
          "/v1/resources",
          "resource",
          {{"NAME"}, {"TYPE"}, {"TARGET"}, {"USER"}, {"PASSWORD"}, {"LOCAL PORT", Align::kRight}, {"TAGS"}, {"ID"}},
          [](const api::ResourceView& r) -> std::vector<std::string> {
            return {r.name,
                    r.type,
                    net::to_text({r.host, r.port}),
                    r.username,
                    r.has_password ? "kept" : "",
                    std::to_string(r.local_port),
                    tags_in_short(r.tags),
                    r.id};
          },
          {"name", {"type", known_types()}},
          {Column{"HEALTH"}},
          health_cells,
          "its name or id",
          false,
          print_resource};
}

Result<> print_with_warnings(Context& context, api::ResourceView resource) {
  for (const auto& warning : resource.warnings) context.out.warn(resource.name + ": " + warning);
  return print_one(context, kind(), std::move(resource));
}

struct Options {
  std::string name;
  std::string url;
  std::string type;
  std::string new_name;
  std::string host;
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;
  std::string username;
  std::string password_file;
  bool ask_password = false;
  bool keep_password = false;
  std::string tls_key_file;
  std::vector<std::string> settings;
  std::vector<std::string> setting_files;
  std::vector<std::string> egress;
  std::optional<std::string> egress_filter;
  std::vector<std::string> tags;
  std::vector<std::string> untag;
  Revision revision;
};

Result<std::map<std::string, std::string>> settings_of(const Options& options) {
  std::map<std::string, std::string> out;
  for (const std::string& text : options.settings) {
    PL_TRY(auto pair, name_and_value("--setting", text));
    out.insert(std::move(pair));
  }
  for (const std::string& text : options.setting_files) {
    PL_TRY(const auto pair, name_and_value("--setting-file", text));
    PL_TRY(out[pair.first], read_file(pair.second, 256 * 1024));
  }
  return out;
}

Result<std::optional<Secret>> password_of(const Options& options) {
  if (!options.password_file.empty() && options.ask_password)
    return wrong_usage("give one of --password-file and --ask-password");
  if (options.ask_password) {
    PL_TRY(auto asked,
           ask_secret("Password of " + (options.username.empty() ? "the resource" : options.username) + ": "));
    return std::optional(std::move(asked));
  }
  if (options.password_file.empty()) return std::optional<Secret>();
  PL_TRY(auto secret, secret_from_file(options.password_file));
  return std::optional(std::move(secret));
}

Result<std::optional<Secret>> tls_key_of(const Options& options) {
  if (options.tls_key_file.empty()) return std::optional<Secret>();
  PL_TRY(auto key, secret_from_file(options.tls_key_file));
  return std::optional(std::move(key));
}

Result<api::ResourceCreate> from_url(const Options& options) {
  if (!options.type.empty() || !options.host.empty() || options.port != 0)
    return wrong_usage("--url says the type, the host and the port already");
  auto definition = parse_resource_url(options.name, options.url);
  if (!definition) return wrong_usage(std::move(definition).error().message);
  if (definition->password)
    return wrong_usage(
        "a password does not belong on a command line, where other users of this machine can read it; leave it out of "
        "the URL and "
        "give --password-file FILE or --ask-password");
  return to_create(*definition);
}

Result<api::ResourceCreate> from_options(const Options& options) {
  if (options.type.empty() || options.host.empty())
    return wrong_usage("which target? give --url URL, or --type, --host and --port");
  api::ResourceCreate request;
  request.name = options.name;
  request.type = options.type;
  request.host = options.host;
  if (options.port != 0) request.port = options.port;
  return request;
}

// Empty: any.
std::vector<std::string> egress_of(const Options& options) {
  return options.egress == std::vector<std::string>{"any"} ? std::vector<std::string>() : options.egress;
}

Result<> create(Context& context, Options& options) {
  PL_TRY(auto request, options.url.empty() ? from_options(options) : from_url(options));
  PL_TRY(auto settings, settings_of(options));
  if (request.settings) settings.insert(request.settings->begin(), request.settings->end());
  if (!settings.empty()) request.settings = std::move(settings);
  if (!options.username.empty()) request.username = options.username;
  if (options.local_port != 0) request.local_port = options.local_port;
  if (!options.egress.empty()) request.egress_nodes = egress_of(options);
  request.egress_filter = options.egress_filter;
  PL_TRY(auto tags, tags_of(options.tags));
  if (!tags.empty()) request.tags = std::move(tags);
  PL_TRY(auto password, password_of(options));
  if (password) request.password = std::move(password);
  PL_TRY(auto tls_key, tls_key_of(options));
  if (tls_key) request.tls_key = std::move(tls_key);
  PL_TRY(auto made, call_post<api::ResourceView>("/v1/resources", std::move(request)));
  return print_with_warnings(context, std::move(made));
}

// Settings and tags are replaced one by one: those that are not named stay. They are sent as a whole, made from what is
// there now, on condition that it is still so.
Result<> merge(Options& options, const std::string& path, api::ResourceUpdate& request) {
  PL_TRY(auto settings, settings_of(options));
  const bool tags = !options.tags.empty() || !options.untag.empty();
  if (settings.empty() && !tags) return {};
  PL_TRY(const auto before, call_get<api::ResourceView>(path));
  if (!options.revision && before.revision != 0) options.revision = before.revision;
  if (!settings.empty()) {
    settings.insert(before.settings.begin(), before.settings.end());
    std::erase_if(settings, [](const auto& setting) { return setting.second.empty(); });
    request.settings = std::move(settings);
  }
  if (tags) {
    PL_TRY(request.tags, merged_tags(before.tags, options.tags, options.untag));
  }
  return {};
}

Result<> update(Context& context, Options& options) {
  PL_TRY(const auto path, path_with("/v1/resources", options.name));
  api::ResourceUpdate request;
  if (!options.new_name.empty()) request.name = options.new_name;
  if (!options.host.empty()) request.host = options.host;
  if (options.port != 0) request.port = options.port;
  if (options.local_port != 0) request.local_port = options.local_port;
  if (!options.username.empty()) request.username = options.username;
  if (options.keep_password) request.keep_password = true;
  if (!options.egress.empty()) request.egress_nodes = egress_of(options);
  request.egress_filter = options.egress_filter;
  PL_CHECK(merge(options, path, request));
  PL_TRY(request.password, password_of(options));
  PL_TRY(request.tls_key, tls_key_of(options));
  if (request.password && options.keep_password) return wrong_usage("give one of a new password and --keep-password");
  if (json::encode(request) == "{}")
    return wrong_usage("nothing to change; see: portolan admin resources update --help");
  auto changed = call_patch<api::ResourceView>(path, std::move(request), options.revision);
  if (!changed && changed.error().reason == "password_not_kept")
    changed.error().message += ": --ask-password, --password-file FILE or --keep-password";
  PL_CHECK(changed);
  return print_with_warnings(context, std::move(*changed));
}

void add_common(CLI::App& app, Options& options) {
  app.add_option("--host", options.host, "its host name or address");
  app.add_option("--port", options.port, "its port; the protocol's own if it is not given");
  app.add_option("--username", options.username, "whom Portolan signs in there as");
  app.add_option("--password-file", options.password_file, "a file with that user's password, - for standard input");
  app.add_flag("--ask-password", options.ask_password, "ask for that user's password on the terminal");
  app.add_option("--tls-key-file", options.tls_key_file,
                 "the private key, in PEM, of the certificate that Portolan shows there (setting tls_certificate)");
  app.add_option("--setting", options.settings,
                 "NAME=VALUE, a setting of the protocol, such as tls=verify-full; an empty value removes it")
      ->allow_extra_args(false);
  app.add_option("--setting-file", options.setting_files,
                 "NAME=FILE, a setting whose value is a file's content, such as tls_ca=ca.pem")
      ->allow_extra_args(false);
  app.add_option("--local-port", options.local_port, "where agents listen for it; chosen if it is not given");
  app.add_option("--tag", options.tags, "KEY=VALUE, for filters such as tags.env=prod; others stay")
      ->allow_extra_args(false);
  app.add_option("--egress", options.egress,
                 "the nodes and clusters that may reach it, by name or id; any: every relay, or every gateway where "
                 "there is no "
                 "relay, as when it "
                 "is not given")
      ->allow_extra_args(false);
  app.add_option(
      "--egress-filter", options.egress_filter,
      "only nodes with these tags may reach it: env=prod,region=eu|us,name=relay-*; all terms must hold, != is "
      "not. An empty one takes it away");
}

}  // namespace

void add_admin_resources(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "resources", "databases and servers that can be used");
  add_list(group, context, kind());
  add_show(group, context, kind());
  add_check(group, context);

  auto made = std::make_shared<Options>();
  CLI::App& creating = add_command(group, context, "create", "a new resource",
                                   "portolan admin resources create billing --url "
                                   "'postgres://app@db.example:5432/billing?tls=verify-full' --ask-password");
  creating.add_option("name", made->name, "its name")->required();
  creating.add_option("--url", made->url,
                      "SCHEME://USER@HOST:PORT/DATABASE?SETTING=VALUE; schemes: " + known_schemes());
  creating.add_option("--type", made->type, "its protocol, if no --url is given");
  add_common(creating, *made);
  on_chosen(creating, context, made, create);

  auto changed = std::make_shared<Options>();
  CLI::App& updating = add_command(group, context, "update", "change a resource",
                                   "portolan admin resources update billing --host db2.example --keep-password");
  updating.add_option("resource", changed->name, "its name or id")->required();
  updating.add_option("--name", changed->new_name, "a new name");
  updating.add_option("--untag", changed->untag, "the key of a tag to take away")->allow_extra_args(false);
  updating.add_flag("--keep-password", changed->keep_password,
                    "send the password that is kept to the new host or port too; else give it again");
  add_if_revision(updating, changed->revision);
  add_common(updating, *changed);
  on_chosen(updating, context, changed, update);

  add_delete(group, context, kind(), "remove a resource; sessions with it end");
}

}  // namespace portolan::cli
