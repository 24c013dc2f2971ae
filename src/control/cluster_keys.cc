// A cluster has as many keys at once as its admins want, so that one takes the place of another while workers are made.
// A key that was revoked stays on record: the workers that came by it still can be revoked with it.
#include <algorithm>
#include <utility>

#include "api/clusters.h"
#include "base/id.h"
#include "control/clusters.h"
#include "control/collection.h"
#include "control/join.h"
#include "control/objects.h"
#include "directory/placement.h"

namespace portolan::control {
namespace {

constexpr std::uint64_t kMostUses = 1'000'000;
constexpr std::ptrdiff_t kPerCluster = 100;

bool is_key(const Caller&, const directory::JoinToken& token) { return !token.cluster.empty(); }

api::ClusterKeyView view_of(const Exchange& exchange, const directory::JoinToken& key) {
  const auto& snapshot = exchange.lookup->snapshot();
  api::ClusterKeyView view;
  view.id = key.id;
  view.cluster = key.cluster;
  if (const auto* cluster = directory::find_cluster(snapshot, key.cluster)) view.cluster_name = cluster->name;
  view.name = key.name;
  view.state = joining_state(key, exchange.now);
  view.uses = key.uses;
  if (key.uses_limit != 0) view.uses_limit = key.uses_limit;
  view.last_used = key.last_used;
  view.networks = key.networks;
  view.workers = static_cast<std::uint64_t>(std::ranges::count_if(
      snapshot.nodes, [&](const auto& entry) { return entry.second.joined_by == key.id && !entry.second.revoked; }));
  view.created = key.created;
  if (key.ends != directory::kNoEnd) view.ends = key.ends;
  view.revision = key.revision;
  return view;
}

Result<WallTime> end_of(const api::ClusterKeyCreate& request, WallTime now) {
  if (!request.life) return directory::kNoEnd;
  auto life = parse_duration(*request.life);
  if (!life) return std::unexpected(std::move(life).error().within("life"));
  if (*life <= std::chrono::milliseconds(0) || *life > std::chrono::days(3650))
    return fail(Code::kInvalid, "life: must be at most 3650d");
  return now + *life;
}

Result<> check_count(const directory::JoinToken& key, const store::Change& change, WallTime now) {
  if (!change.now().clusters.contains(key.cluster)) return fail(Code::kNotFound, "the cluster has been removed");
  const auto valid = std::ranges::count_if(change.now().join_tokens, [&](const auto& entry) {
    return entry.second.cluster == key.cluster && joining_state(entry.second, now) == "valid";
  });
  if (valid < kPerCluster) return {};
  return fail(Code::kConflict, "this cluster has " + std::to_string(valid) +
                                   " valid keys, and none may have more; revoke those that are not used");
}

net::Task<Answer> create(Core& core, Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::ClusterKeyCreate>());
  CO_TRY(auto cluster, cluster_id(*exchange.lookup, request.cluster));
  if (request.name) {
    CO_CHECK(check_text("name", *request.name, 100));
  }
  const std::uint64_t uses = request.uses.value_or(0);
  if (request.uses && (uses == 0 || uses > kMostUses))
    co_return fail(Code::kInvalid, "uses: must be 1 to " + std::to_string(kMostUses));
  CO_TRY(auto networks, check_networks(request.networks));
  CO_TRY(const WallTime ends, end_of(request, exchange.now));
  const auto& server = core.authorities.server;
  const std::string text = make_join_token(kClusterKeyPrefix, make_token(), server.certificate().fingerprint());
  CO_TRY(auto hash, join_token_hash(text, server));
  const directory::JoinToken key{.id = make_id("jt"),
                                 .kind = std::string(directory::kWorker),
                                 .name = request.name.value_or(""),
                                 .token_hash = std::move(hash),
                                 .created = exchange.now,
                                 .ends = ends,
                                 .used_by = {},
                                 .cluster = std::move(cluster),
                                 .uses_limit = uses,
                                 .networks = std::move(networks)};
  co_return co_await create_object<directory::JoinToken>(
      core, exchange, key,
      [text](const auto& made, const auto&) {
        api::ClusterKeyMade shown{made.id, made.cluster, Secret(text), {}};
        if (made.ends != directory::kNoEnd) shown.ends = made.ends;
        return created(shown);
      },
      [now = exchange.now](const auto& made, store::Change& change) { return check_count(made, change, now); });
}

}  // namespace

void add_cluster_keys(Routes& routes, Core& core) {
  add_collection<api::ClusterKeyView, directory::JoinToken>(
      routes, core, "GET /v1/cluster-keys",
      {.view = view_of, .order = "created", .exact = {{"cluster", "cluster", cluster_id}}, .visible = is_key});
  routes.add_at_once("GET /v1/cluster-keys/{key}", [](const Exchange& exchange) -> Answer {
    const auto& all = exchange.lookup->snapshot().join_tokens;
    const auto found = all.find(exchange.argument());
    const bool shown = found != all.end() && !found->second.cluster.empty();
    PL_TRY(const auto key, existing(shown ? &found->second : nullptr, "cluster key", exchange.argument()));
    return ok(view_of(exchange, key));
  });
  routes.add_create("POST /v1/cluster-keys", [&core](Exchange exchange) { return create(core, std::move(exchange)); });
  routes.add("POST /v1/cluster-keys/{key}/revoke",
             [&core](Exchange exchange) { return revoke_joining(core, std::move(exchange), Joining::kClusterKey); });
}

}  // namespace portolan::control
