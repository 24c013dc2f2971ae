#include "control/clusters.h"

#include <algorithm>
#include <utility>

#include "api/clusters.h"
#include "base/id.h"
#include "control/collection.h"
#include "control/join.h"
#include "control/objects.h"
#include "control/resource_rules.h"
#include "directory/placement.h"

namespace portolan::control {
namespace {

api::ClusterView view_of(const directory::Cluster& cluster, const directory::Snapshot& snapshot, WallTime now) {
  api::ClusterView view{cluster.id, cluster.name,    cluster.address, cluster.bridged, cluster.tags, 0, 0,
                        0,          cluster.created, cluster.revision};
  view.keys = static_cast<std::uint64_t>(std::ranges::count_if(snapshot.join_tokens, [&](const auto& entry) {
    return entry.second.cluster == cluster.id && joining_state(entry.second, now) == "valid";
  }));
  view.workers = static_cast<std::uint64_t>(std::ranges::count_if(
      snapshot.nodes, [&](const auto& entry) { return entry.second.cluster == cluster.id && !entry.second.revoked; }));
  return view;
}

api::ClusterView view_of(const directory::Cluster& cluster, const directory::Snapshot& snapshot, WallTime now,
                         const Presence& presence) {
  auto view = view_of(cluster, snapshot, now);
  for (const auto& [id, node] : snapshot.nodes)
    if (node.cluster == cluster.id && !node.revoked && presence.up(id)) ++view.workers_up;
  return view;
}

Result<directory::Cluster> asked(const Exchange& exchange) {
  return existing(directory::find_cluster(exchange.lookup->snapshot(), exchange.argument()), "cluster",
                  exchange.argument());
}

}  // namespace

Result<> check_cluster(const directory::Cluster& cluster, const directory::Snapshot& snapshot) {
  if (auto named = check_node_name(cluster.name); !named)
    return fail(Code::kInvalid, "cluster name " + quoted(cluster.name) +
                                    ": 1 to 63 of a-z, A-Z, 0-9, \"-\", \".\" and \"_\", not like an id");
  // Resources name nodes and clusters alike.
  if (snapshot.node_by_name(cluster.name))
    return fail(Code::kConflict, "there is a node " + quoted(cluster.name) + " already; give the cluster another name");
  const auto endpoint = net::parse_endpoint(cluster.address);
  if (!endpoint || endpoint->host.empty() || endpoint->port == 0 || cluster.address.size() > 260)
    return fail(Code::kInvalid,
                "address " + quoted(cluster.address) + ": must be HOST:PORT, where clients find the cluster");
  return check_tags(cluster.tags);
}

Result<std::string> cluster_id(const Lookup& lookup, const std::string& key) {
  PL_TRY(const auto cluster, existing(directory::find_cluster(lookup.snapshot(), key), "cluster", key));
  return cluster.id;
}

void Clusters::add_to(Routes& routes) {
  add_collection<api::ClusterView, directory::Cluster>(routes, core_, "GET /v1/clusters",
                                                       {.view =
                                                            [this](const Exchange& exchange, const auto& cluster) {
                                                              return view_of(cluster, exchange.lookup->snapshot(),
                                                                             exchange.now, presence_);
                                                            },
                                                        .exact = {{"name", "name"}},
                                                        .lively = true});
  routes.add_at_once("GET /v1/clusters/{cluster}", [this](const Exchange& exchange) -> Answer {
    PL_TRY(const auto cluster, asked(exchange));
    return ok(view_of(cluster, exchange.lookup->snapshot(), exchange.now, presence_));
  });
  routes.add_create("POST /v1/clusters", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("PATCH /v1/clusters/{cluster}", [this](Exchange exchange) { return update(std::move(exchange)); });
  routes.add("DELETE /v1/clusters/{cluster}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

net::Task<Answer> Clusters::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ClusterCreate>());
  directory::Cluster cluster{.id = make_id("c"),
                             .name = std::move(request.name),
                             .address = std::move(request.address),
                             .bridged = request.bridged.value_or(false),
                             .created = exchange.now};
  if (request.tags) cluster.tags = std::move(*request.tags);
  co_return co_await create_object<directory::Cluster>(
      core_, exchange, std::move(cluster),
      [now = exchange.now](const auto& made, const auto& snapshot) { return created(view_of(made, snapshot, now)); },
      [](directory::Cluster& made, store::Change& change) { return check_cluster(made, change.now()); });
}

net::Task<Answer> Clusters::update(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ClusterUpdate>());
  CO_TRY(const auto cluster, asked(exchange));
  auto edit = [request = std::move(request)](directory::Cluster& changed, store::Change& change) -> Result<> {
    changed.name = request.name.value_or(changed.name);
    changed.address = request.address.value_or(changed.address);
    changed.tags = request.tags.value_or(changed.tags);
    return check_cluster(changed, change.now());
  };
  CO_TRY(const auto changed, co_await edit_object<directory::Cluster>(core_, exchange, cluster.id, std::move(edit)));
  co_return ok(view_of(changed, core_.lookup()->snapshot(), exchange.now, presence_));
}

net::Task<Answer> Clusters::remove(Exchange exchange) {
  CO_TRY(const auto cluster, asked(exchange));
  co_return co_await remove_object<directory::Cluster>(core_, exchange, cluster.id);
}

}  // namespace portolan::control
