// Peering groups: which nodes and resources belong together.
#include <algorithm>
#include <iterator>

#include "api/routing.h"
#include "cli/admin.h"

namespace portolan::cli {
namespace {

using Names = std::vector<std::string>;

std::string in_short(const Names& names) {
  constexpr std::size_t kShown = 6;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) out += " and " + std::to_string(names.size() - kShown) + " more";
  return out;
}

Result<> print_group(const Output& out, const api::PeeringGroupView& group) {
  out.line("Name       " + fit_for_terminal(group.name));
  out.line("Created    " + local_time(group.created));
  out.line("Id         " + group.id);
  const auto list = [&](const char* title, const char* none, const Names& names) {
    out.line("");
    if (names.empty()) return out.line(none);
    out.line(title);
    for (const auto& name : names) out.line("  " + fit_for_terminal(name));
  };
  list("Nodes", "It has no nodes.", group.node_names);
  list("Resources, which have no other nodes as their egress", "It has no resources.", group.resource_names);
  list("Peers: groups whose nodes may be linked with those of this one",
       "It has no peers: its nodes may be linked with each other, and with nodes that are in no group.",
       group.peer_names);
  return {};
}

Kind<api::PeeringGroupView> group_kind() {
  return {"admin peering-groups",
          "peering group",
          "/v1/peering-groups",
          "group",
          {{"NAME"}, {"NODES"}, {"RESOURCES"}, {"PEERS"}, {"ID"}},
          [](const api::PeeringGroupView& g) -> std::vector<std::string> {
            return {g.name, in_short(g.node_names), in_short(g.resource_names), in_short(g.peer_names), g.id};
          },
          {"name"},
          {},
          nullptr,
          "its name or id",
          false,
          print_group};
}

struct Options {
  std::string group;
  std::string name;
  Names nodes;
  Names resources;
  Names peers;
  Names no_nodes;
  Names no_resources;
  Names no_peers;
  Revision revision;
};

Result<> create(Context& context, Options& options) {
  api::PeeringGroupCreate request{.name = options.group};
  if (!options.nodes.empty()) request.nodes = options.nodes;
  if (!options.resources.empty()) request.resources = options.resources;
  if (!options.peers.empty()) request.peers = options.peers;
  PL_TRY(auto made, call_post<api::PeeringGroupView>("/v1/peering-groups", std::move(request)));
  return print_one(context, group_kind(), std::move(made));
}

// What there is, with what is put in and without what is taken out; nothing: neither is asked for.
Result<std::optional<Names>> merged(const char* option, const Names& ids, const Names& names, const Names& in,
                                    const Names& out) {
  if (in.empty() && out.empty()) return std::optional<Names>();
  Names all = ids;
  for (const auto& key : out) {
    const auto name = std::ranges::find(names, key);
    const auto& id = name == names.end() ? key : ids[static_cast<std::size_t>(name - names.begin())];
    if (std::erase(all, id) == 0)
      return wrong_usage(std::string(option) + " " + quoted(key) + ": it is not in the group");
  }
  std::ranges::copy(in, std::back_inserter(all));
  return std::optional(std::move(all));
}

// Lists are sent as a whole, made from what is there now, on condition that it is still so.
Result<> update(Context& context, Options& options) {
  PL_TRY(const auto path, path_with("/v1/peering-groups", options.group));
  PL_TRY(const auto before, call_get<api::PeeringGroupView>(path));
  api::PeeringGroupUpdate request;
  if (!options.name.empty()) request.name = options.name;
  PL_TRY(request.nodes, merged("--remove-node", before.nodes, before.node_names, options.nodes, options.no_nodes));
  PL_TRY(request.resources,
         merged("--remove-resource", before.resources, before.resource_names, options.resources, options.no_resources));
  PL_TRY(request.peers, merged("--remove-peer", before.peers, before.peer_names, options.peers, options.no_peers));
  if (json::encode(request) == "{}")
    return wrong_usage("nothing to change; see: portolan admin peering-groups update --help");
  if (!options.revision && before.revision != 0) options.revision = before.revision;
  PL_TRY(auto changed, call_patch<api::PeeringGroupView>(path, std::move(request), options.revision));
  return print_one(context, group_kind(), std::move(changed));
}

void add_members(CLI::App& app, Options& options) {
  app.add_option("--node", options.nodes, "a node to put in, by name or id")->allow_extra_args(false);
  app.add_option("--resource", options.resources, "a resource to put in: it has only nodes of its groups as its egress")
      ->allow_extra_args(false);
  app.add_option("--peer", options.peers, "a group whose nodes may be linked with those of this one")
      ->allow_extra_args(false);
}

}  // namespace

void add_admin_peering(CLI::App& admin, Context& context) {
  CLI::App& group = add_group(admin, "peering-groups", "which nodes and resources belong together (explicit routing)");
  add_list(group, context, group_kind());
  add_show(group, context, group_kind());

  auto made = std::make_shared<Options>();
  CLI::App& creating =
      add_command(group, context, "create", "a new peering group",
                  "portolan admin peering-groups create berlin --node relay-berlin --resource billing --peer edge");
  creating.add_option("name", made->group, "its name")->required();
  add_members(creating, *made);
  on_chosen(creating, context, made, create);

  auto changed = std::make_shared<Options>();
  CLI::App& updating = add_command(group, context, "update", "put members in, take them out, or rename it",
                                   "portolan admin peering-groups update berlin --node relay-2 --remove-node relay-1");
  updating.add_option("group", changed->group, "its name or id")->required();
  updating.add_option("--name", changed->name, "a new name");
  add_members(updating, *changed);
  updating.add_option("--remove-node", changed->no_nodes, "a node to take out")->allow_extra_args(false);
  updating
      .add_option("--remove-resource", changed->no_resources, "a resource to take out; in no group it has any nodes")
      ->allow_extra_args(false);
  updating.add_option("--remove-peer", changed->no_peers, "a peer to take away, from both")->allow_extra_args(false);
  add_if_revision(updating, changed->revision);
  on_chosen(updating, context, changed, update);

  add_delete(group, context, group_kind(), "remove a peering group; what was in no other one is where it was without");
}

}  // namespace portolan::cli
