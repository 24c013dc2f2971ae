#include <cstdlib>

#include <fmt/format.h>

#include "base/file.h"
#include "cli/admin.h"
#include "cli/exit.h"
#include "cli/joining.h"
#include "cli/tag_options.h"

namespace portolan::cli {
namespace {

Kind<api::NodeStatusView> node_kind() {
  return {"admin nodes",
          "node",
          "/v1/nodes",
          "node",
          {{"NAME"},
           {"KIND"},
           {"CLUSTER"},
           {"STATE"},
           {"ADDRESS"},
           {"SESSIONS", Align::kRight},
           {"VERSION"},
           {"LAST SEEN"},
           {"TAGS"},
           {"ID"},
           {"WHAT IS WRONG"}},
          [](const api::NodeStatusView& n) -> std::vector<std::string> {
            return {n.name,
                    n.kind,
                    n.cluster_name.value_or(n.cluster.value_or("")),
                    n.state,
                    n.address,
                    std::to_string(n.sessions),
                    n.version,
                    ago(n.last_seen, Clock::real().wall()),
                    tags_in_short(n.tags),
                    n.id,
                    n.reason.value_or("")};
          },
          {"name",
           {"kind", {"gateway", "relay", "worker", "bridge-worker", "bridged-worker"}},
           {"state", {"up", "down", "new", "revoked"}},
           "cluster"}};
}

Kind<api::JoinTokenView> token_kind() {
  return {"admin nodes token",
          "join token",
          "/v1/join-tokens",
          "token",
          {{"ID"},
           {"KIND"},
           {"NAME"},
           {"STATE"},
           {"USES", Align::kRight},
           {"LAST USED"},
           {"CREATED"},
           {"ENDS"},
           {"USED BY"}},
          [](const api::JoinTokenView& t) -> std::vector<std::string> {
            return {t.id,
                    t.kind,
                    t.name,
                    t.state,
                    fmt::format("{} of {}", t.uses, t.uses_limit),
                    ago(t.last_used, Clock::real().wall()),
                    local_time(t.created),
                    local_time(t.ends),
                    t.used_by};
          },
          {{"kind", {"gateway", "relay"}}, "name"}};
}

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{} MiB", bytes / (1024 * 1024)); }

void print_facts(const Output& out, const api::NodeFacts& facts) {
  const auto& load = facts.load;
  out.line("");
  out.line(fmt::format("Runs for {}; its clock is {} ms {} the control plane's",
                       format_duration(std::chrono::seconds(facts.uptime_s)), std::abs(facts.clock_offset_ms),
                       facts.clock_offset_ms < 0 ? "behind" : "ahead of"));
  out.line(fmt::format(
      "Load: {} sessions, {} streams, {} clients, {:.1f} % of a core, {} of memory, {} of {} descriptors, {} of audit "
      "to hand over",
      load.sessions, load.streams, load.clients, static_cast<double>(load.cpu_permille) / 10.0,
      mebibytes(load.memory_bytes), load.descriptors, load.descriptor_limit, mebibytes(load.audit_backlog_bytes)));
  Table table({{"LINK WITH"}, {"ADDRESS"}, {"ROUND TRIP", Align::kRight}, {"STATE"}});
  for (const auto& link : facts.links)
    table.add({link.name.value_or(link.node), link.address,
               link.round_trip_us ? fmt::format("{} us", *link.round_trip_us) : "",
               link.reason ? link.state + ": " + *link.reason : link.state});
  if (table.empty()) return;
  out.line("");
  out.table(table);
}

Result<> show(Context& context, KeyOptions<api::NodeStatusView>& options) {
  PL_TRY(auto path, path_with(options.kind.collection, options.key));
  PL_TRY(const auto node, call_get<api::NodeStatusView>(std::move(path)));
  PL_CHECK(print_one(context, options.kind, node));
  if (context.out.json) return {};
  if (node.facts) {
    print_facts(context.out, *node.facts);
  } else {
    context.out.note(
        "It has reported no more: its version does not, or it has not been there since the control plane began.");
  }
  return {};
}

struct UpdateOptions {
  std::string node;
  std::string name;
  std::vector<std::string> tags;
  std::vector<std::string> untag;
  Revision revision;
};

// Tags are sent as a whole, made from what is there now, on condition that it is still so.
Result<> update(Context& context, UpdateOptions& options) {
  PL_TRY(const auto path, path_with("/v1/nodes", options.node));
  api::NodeUpdate request;
  if (!options.name.empty()) request.name = options.name;
  if (!options.tags.empty() || !options.untag.empty()) {
    PL_TRY(const auto before, call_get<api::NodeStatusView>(path));
    if (!options.revision && before.revision != 0) options.revision = before.revision;
    PL_TRY(request.tags, merged_tags(before.tags, options.tags, options.untag));
  }
  if (!request.name && !request.tags) return wrong_usage("nothing to change; see: portolan admin nodes update --help");
  PL_TRY(auto changed, call_patch<api::NodeStatusView>(path, std::move(request), options.revision));
  return print_one(context, node_kind(), std::move(changed));
}

struct Options {
  std::string kind;
  std::string name;
  std::string life;
  std::uint64_t uses = 1;
  std::vector<std::string> networks;
  std::string out;
};

std::string makes(const api::JoinTokenMade& made, const Options& options) {
  return options.uses == 1 ? "one " + made.kind : fmt::format("up to {} {}s", options.uses, made.kind);
}

struct WrittenToken {
  std::string id;
  std::string kind;
  WallTime ends{};
  std::string file;
};
BOOST_DESCRIBE_STRUCT(WrittenToken, (), (id, kind, ends, file))

Result<> create_token(Context& context, Options& options) {
  api::JoinTokenCreate request{.kind = options.kind};
  if (options.uses != 1) request.uses = options.uses;
  if (!options.networks.empty()) request.networks = options.networks;
  if (!options.name.empty()) request.name = options.name;
  if (!options.life.empty()) request.life = options.life;
  PL_TRY(const auto made, call_post<api::JoinTokenMade>("/v1/join-tokens", std::move(request)));
  if (options.out.empty()) {
    if (context.out.json) {
      context.out.object(made);
    } else {
      context.out.line(made.token.reveal());
    }
    context.out.note(
        fmt::format("It makes {} until {} and is shown only now.", makes(made, options), local_time(made.ends)));
    return {};
  }
  PL_CHECK(write_file(options.out, made.token.reveal() + "\n", Privacy::kPrivate));
  if (context.out.json) context.out.object(WrittenToken{made.id, made.kind, made.ends, options.out});
  context.out.note(fmt::format("The token is in {}; it makes {} until {}.", options.out, makes(made, options),
                               local_time(made.ends)));
  return {};
}

}  // namespace

void add_admin_nodes(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "nodes", "gateways, relays and workers, and the tokens that make them");
  add_list(group, context, node_kind());
  CLI::App& showing = add_command(group, context, "show", "one node: its links, its load, and what is wrong with it",
                                  "portolan admin nodes show relay-1");
  auto shown = std::make_shared<KeyOptions<api::NodeStatusView>>(KeyOptions<api::NodeStatusView>{node_kind(), {}});
  showing.add_option("node", shown->key, "its name or id")->required();
  on_chosen<KeyOptions<api::NodeStatusView>>(showing, context, shown, show);
  CLI::App& updating = add_command(group, context, "update", "rename a node, or change its tags",
                                   "portolan admin nodes update relay-1 --name relay-berlin --tag region=eu");
  auto changed = std::make_shared<UpdateOptions>();
  updating.add_option("node", changed->node, "its name or id")->required();
  updating.add_option("--name", changed->name, "its new name");
  updating.add_option("--tag", changed->tags, "KEY=VALUE, for egress filters of resources; others stay")
      ->allow_extra_args(false);
  updating.add_option("--untag", changed->untag, "the key of a tag to take away")->allow_extra_args(false);
  add_if_revision(updating, changed->revision);
  on_chosen(updating, context, changed, update);
  add_admin_route(group, context);
  add_delete(group, context, node_kind(), "revoke a node for good; what it carries ends");

  CLI::App& tokens = add_group(group, "token", "with which new gateways and relays join");
  CLI::App& creating = add_command(tokens, context, "create", "a token for one node, or several",
                                   "portolan admin nodes token create --kind relay --for 1h --out ./token");
  auto options = std::make_shared<Options>();
  creating.add_option("--kind", options->kind, "gateway or relay")->required()->check(one_of({"gateway", "relay"}));
  creating.add_option("--name", options->name, "the node's name; else the node chooses");
  creating.add_option("--for", options->life, "how long it can be used, at most 7d; 1h if it is not given");
  creating.add_option("--uses", options->uses,
                      "how many nodes it makes, 1 if not given; each node that takes the place of another counts");
  creating
      .add_option("--from", options->networks,
                  "address or network that nodes join from, such as 10.0.0.0/8; anywhere if "
                  "none is given")
      ->allow_extra_args(false);
  creating.add_option("--out", options->out, "write it to this file, mode 0600, instead of showing it");
  on_chosen(creating, context, options, create_token);
  add_list(tokens, context, token_kind());
  add_show(tokens, context, token_kind());
  add_revoke_joining(tokens, context, {"join token", "token", "/v1/join-tokens", "portolan admin nodes token revoke"});
  add_delete(tokens, context, token_kind(), "a token that shall not be used any more");
}

}  // namespace portolan::cli
