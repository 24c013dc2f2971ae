// Proxy clusters, and the keys by which workers join them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/clusters.h"
#include "base/file.h"
#include "cli/admin.h"
#include "cli/joining.h"

namespace portolan::cli {
namespace {

std::string tags_in_words(const std::map<std::string, std::string>& tags) {
  std::string out;
  for (const auto& [key, value] : tags) out += (out.empty() ? "" : " ") + key + "=" + value;
  return out;
}

Kind<api::ClusterView> cluster_kind() {
  return {
      "admin clusters",
      "cluster",
      "/v1/clusters",
      "cluster",
      {{"NAME"}, {"ADDRESS"}, {"BRIDGED"}, {"WORKERS UP", Align::kRight}, {"KEYS", Align::kRight}, {"ID"}, {"TAGS"}},
      [](const api::ClusterView& c) -> std::vector<std::string> {
        return {c.name,
                c.address,
                yes(c.bridged),
                fmt::format("{} of {}", c.workers_up, c.workers),
                std::to_string(c.keys),
                c.id,
                tags_in_words(c.tags)};
      },
      {"name"}};
}

Kind<api::ClusterKeyView> key_kind() {
  return {"admin clusters keys",
          "cluster key",
          "/v1/cluster-keys",
          "key",
          {{"ID"},
           {"CLUSTER"},
           {"NAME"},
           {"STATE"},
           {"LAST USED"},
           {"USES", Align::kRight},
           {"WORKERS", Align::kRight},
           {"CREATED"},
           {"ENDS"},
           {"FROM"}},
          [](const api::ClusterKeyView& k) -> std::vector<std::string> {
            return {k.id,
                    name_or(k.cluster_name, k.cluster),
                    k.name,
                    k.state,
                    k.last_used ? ago(k.last_used, Clock::real().wall()) : "never",
                    k.uses_limit ? fmt::format("{} of {}", k.uses, *k.uses_limit) : std::to_string(k.uses),
                    std::to_string(k.workers),
                    local_time(k.created),
                    local_time(k.ends),
                    fmt::format("{}", fmt::join(k.networks, " "))};
          },
          {"cluster"},
          {},
          nullptr,
          kById};
}

struct Options {
  std::string cluster;
  std::string name;
  std::string address;
  bool bridged = false;
  std::vector<std::string> tags;
  bool no_tags = false;
  Revision revision;
};

Result<std::map<std::string, std::string>> parse_tags(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> tags;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    if (equals == text.npos) return wrong_usage("--tag " + text + ": must be KEY=VALUE");
    tags[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return tags;
}

Result<> create(Context& context, Options& options) {
  api::ClusterCreate request{.name = options.cluster, .address = options.address};
  if (options.bridged) request.bridged = true;
  PL_TRY(auto tags, parse_tags(options.tags));
  if (!tags.empty()) request.tags = std::move(tags);
  PL_TRY(auto made, call_post<api::ClusterView>("/v1/clusters", std::move(request)));
  return print_one(context, cluster_kind(), std::move(made));
}

Result<> update(Context& context, Options& options) {
  PL_TRY(const auto path, path_with("/v1/clusters", options.cluster));
  api::ClusterUpdate request;
  if (!options.name.empty()) request.name = options.name;
  if (!options.address.empty()) request.address = options.address;
  PL_TRY(auto tags, parse_tags(options.tags));
  if (!tags.empty() || options.no_tags) request.tags = std::move(tags);
  PL_TRY(auto changed, call_patch<api::ClusterView>(path, std::move(request), options.revision));
  return print_one(context, cluster_kind(), std::move(changed));
}

struct KeyOptions {
  std::string cluster;
  std::string name;
  std::string life;
  std::uint64_t uses = 0;
  std::vector<std::string> networks;
  std::string out;
};

struct WrittenKey {
  std::string id;
  std::string cluster;
  std::optional<WallTime> ends;
  std::string file;
};
BOOST_DESCRIBE_STRUCT(WrittenKey, (), (id, cluster, ends, file))

std::string until(const api::ClusterKeyMade& made) {
  return made.ends ? "until " + local_time(*made.ends) : "until it is revoked";
}

Result<> create_key(Context& context, KeyOptions& options) {
  api::ClusterKeyCreate request{.cluster = options.cluster};
  if (!options.name.empty()) request.name = options.name;
  if (!options.life.empty()) request.life = options.life;
  if (options.uses != 0) request.uses = options.uses;
  if (!options.networks.empty()) request.networks = options.networks;
  PL_TRY(const auto made, call_post<api::ClusterKeyMade>("/v1/cluster-keys", std::move(request)));
  if (options.out.empty()) {
    if (context.out.json) {
      context.out.object(made);
    } else {
      context.out.line(made.key.reveal());
    }
    context.out.note(fmt::format("Workers join by it {}. Its id is {}; it is shown only now.", until(made), made.id));
    return {};
  }
  if (auto written = write_file(options.out, made.key.reveal() + "\n", Privacy::kPrivate); !written) {
    // Nobody has it, so nobody shall join by it.
    PL_CHECK(call_post<api::JoiningRevoked>("/v1/cluster-keys/" + made.id + "/revoke", api::RevokeJoining{}));
    return std::unexpected(std::move(written).error().within("the key was revoked again"));
  }
  if (context.out.json) context.out.object(WrittenKey{made.id, made.cluster, made.ends, options.out});
  context.out.note(fmt::format("The key is in {}; workers join by it {}.", options.out, until(made)));
  return {};
}

struct KeyListOptions {
  std::string cluster;
};

Result<> list_keys(Context& context, KeyListOptions& options) {
  Query query;
  if (!options.cluster.empty()) query["cluster"] = options.cluster;
  PL_TRY(auto keys, call_list<api::ClusterKeyView>("/v1/cluster-keys", std::move(query)));
  return print_list(context, key_kind(), std::move(keys), options.cluster.empty() ? Asked::kAll : Asked::kSome);
}

void add_keys(CLI::App& group, Context& context) {
  CLI::App& keys = add_group(group, "keys",
                             "by which workers join: several at once are good, so that one takes the place of another");
  CLI::App& listing =
      add_command(keys, context, "list", "keys, and when each was used last", "portolan admin clusters keys list eu-1");
  auto listed = std::make_shared<KeyListOptions>();
  listing.add_option("cluster", listed->cluster, "its name or id; all clusters' if it is not given");
  on_chosen(listing, context, listed, list_keys);
  add_show(keys, context, key_kind());
  CLI::App& creating = add_command(keys, context, "create", "a new key of a cluster",
                                   "portolan admin clusters keys create eu-1 --out ./cluster-key");
  auto made = std::make_shared<KeyOptions>();
  creating.add_option("cluster", made->cluster, "its name or id")->required();
  creating.add_option("--name", made->name, "for people to read");
  creating.add_option("--for", made->life, "how long it can be used, like 90d; until it is revoked if not given");
  creating.add_option("--uses", made->uses, "how many workers it makes; any number if not given");
  creating
      .add_option("--from", made->networks,
                  "address or network that workers join from, such as 10.0.0.0/8; anywhere if "
                  "none is given")
      ->allow_extra_args(false);
  creating.add_option("--out", made->out, "write it to this file, mode 0600, instead of showing it");
  on_chosen(creating, context, made, create_key);
  add_revoke_joining(keys, context, {"cluster key", "key", "/v1/cluster-keys", "portolan admin clusters keys revoke"});
}

}  // namespace

void add_admin_clusters(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "clusters", "proxy clusters: interchangeable workers behind one address");
  add_list(group, context, cluster_kind());
  add_show(group, context, cluster_kind());
  CLI::App& creating = add_command(group, context, "create", "a new cluster",
                                   "portolan admin clusters create eu-1 --address proxy.example:5000");
  auto made = std::make_shared<Options>();
  creating.add_option("name", made->cluster, "its name")->required();
  creating.add_option("--address", made->address, "HOST:PORT at which clients find it: a balancer, or its only worker")
      ->required();
  creating.add_flag("--bridged", made->bridged,
                    "some workers take clients at the address, and the others listen on nothing and dial those");
  creating.add_option("--tag", made->tags, "KEY=VALUE")->allow_extra_args(false);
  on_chosen(creating, context, made, create);
  CLI::App& updating = add_command(group, context, "update", "change a cluster",
                                   "portolan admin clusters update eu-1 --address proxy-2.example:5000");
  auto changed = std::make_shared<Options>();
  updating.add_option("cluster", changed->cluster, "its name or id")->required();
  updating.add_option("--name", changed->name, "its new name");
  updating.add_option("--address", changed->address, "HOST:PORT at which clients find it from now on");
  updating.add_option("--tag", changed->tags, "KEY=VALUE; those that are given take the place of all")
      ->allow_extra_args(false);
  updating.add_flag("--no-tags", changed->no_tags, "no tags any more");
  add_if_revision(updating, changed->revision);
  on_chosen(updating, context, changed, update);
  add_delete(group, context, cluster_kind(), "remove a cluster that has no workers any more, with its keys");
  add_keys(group, context);
}

}  // namespace portolan::cli
