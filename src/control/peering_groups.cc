#include "control/peering_groups.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"

namespace portolan::control {
namespace {

using directory::PeeringGroup;

constexpr std::size_t kIdLength = 23;  // of a made one

template <class Object>
std::vector<std::string> names_of(const std::map<std::string, Object, std::less<>>& objects,
                                  const std::vector<std::string>& ids) {
  std::vector<std::string> names;
  for (const auto& id : ids) names.push_back(store::detail::name_or_id(objects, id, &Object::name));
  return names;
}

api::PeeringGroupView view_of(const directory::Snapshot& snapshot, const PeeringGroup& group) {
  return {group.id,
          group.name,
          group.nodes,
          group.resources,
          group.peers,
          names_of(snapshot.nodes, group.nodes),
          names_of(snapshot.resources, group.resources),
          names_of(snapshot.peering_groups, group.peers),
          group.created,
          group.revision};
}

template <class Object>
Result<std::vector<std::string>> ids_of(const std::map<std::string, Object, std::less<>>& objects,
                                        const Object* (directory::Snapshot::*by_name)(std::string_view) const,
                                        const directory::Snapshot& snapshot, std::string_view member,
                                        const std::vector<std::string>& keys) {
  std::vector<std::string> ids;
  for (const auto& key : keys) {
    const auto by_id = objects.find(key);
    const Object* found = by_id == objects.end() ? (snapshot.*by_name)(key) : &by_id->second;
    if (!found)
      return fail(Code::kInvalid,
                  std::string(member) + ": there is no " + std::string(store::kKind<Object>.label) + " " + quoted(key));
    ids.push_back(found->id);
  }
  std::ranges::sort(ids);
  const auto twice = std::ranges::unique(ids);
  ids.erase(twice.begin(), twice.end());
  return ids;
}

// By the directory of the moment in which it is written: what is named cannot have gone meanwhile.
template <class Request>
Result<> take_members(const Request& request, const directory::Snapshot& snapshot, PeeringGroup& group) {
  using directory::Snapshot;
  if (request.nodes) {
    PL_TRY(group.nodes, node_ids(snapshot, "nodes", *request.nodes));
  }
  if (request.resources) {
    PL_TRY(group.resources,
           ids_of(snapshot.resources, &Snapshot::resource_by_name, snapshot, "resources", *request.resources));
  }
  if (request.peers) {
    PL_TRY(group.peers,
           ids_of(snapshot.peering_groups, &Snapshot::peering_group_by_name, snapshot, "peers", *request.peers));
    if (std::ranges::find(group.peers, group.id) != group.peers.end())
      return fail(Code::kInvalid, "peers: a group's own nodes may be linked anyway; leave it out");
  }
  return {};
}

Result<PeeringGroup> asked(const Exchange& exchange) {
  const auto& snapshot = exchange.lookup->snapshot();
  const auto by_id = snapshot.peering_groups.find(exchange.argument());
  return existing(
      by_id == snapshot.peering_groups.end() ? snapshot.peering_group_by_name(exchange.argument()) : &by_id->second,
      "peering group", exchange.argument());
}

// In others' lists of peers, which is all that a group does to them.
Result<> tell_peers(store::Change& change, const PeeringGroup& group) {
  std::vector<PeeringGroup> others;
  for (const auto& [id, other] : change.now().peering_groups) {
    if (id == group.id) continue;
    const bool is = std::ranges::binary_search(other.peers, group.id);
    if (is != std::ranges::binary_search(group.peers, id)) others.push_back(other);
  }
  for (auto& other : others) {
    if (std::erase(other.peers, group.id) == 0) {
      other.peers.push_back(group.id);
      std::ranges::sort(other.peers);
    }
    PL_CHECK(change.put(std::move(other)));
  }
  return {};
}

net::Task<Answer> create(Core& core, Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::PeeringGroupCreate>());
  CO_CHECK(check_group_name(request.name));
  PeeringGroup group{.id = make_id("pg"), .name = request.name, .created = exchange.now};
  co_return co_await create_object<PeeringGroup>(
      core, exchange, std::move(group),
      [](const auto& made, const auto& snapshot) { return created(view_of(snapshot, made)); },
      [request = std::move(request)](PeeringGroup& made, store::Change& change) -> Result<> {
        PL_CHECK(take_members(request, change.now(), made));
        return tell_peers(change, made);
      });
}

net::Task<Answer> update(Core& core, Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::PeeringGroupUpdate>());
  CO_TRY(const auto group, asked(exchange));
  if (request.name) {
    CO_CHECK(check_group_name(*request.name));
  }
  auto edit = [request = std::move(request)](PeeringGroup& changed, store::Change& change) -> Result<> {
    changed.name = request.name.value_or(changed.name);
    PL_CHECK(take_members(request, change.now(), changed));
    return tell_peers(change, changed);
  };
  CO_TRY(const auto changed, co_await edit_object<PeeringGroup>(core, exchange, group.id, std::move(edit)));
  co_return ok(view_of(core.lookup()->snapshot(), changed));
}

net::Task<Answer> remove(Core& core, Exchange exchange) {
  CO_TRY(const auto group, asked(exchange));
  co_return co_await remove_object<PeeringGroup>(core, std::move(exchange), group.id);
}

}  // namespace

Result<std::vector<std::string>> node_ids(const directory::Snapshot& snapshot, std::string_view member,
                                          const std::vector<std::string>& keys) {
  return ids_of(snapshot.nodes, &directory::Snapshot::node_by_name, snapshot, member, keys);
}

// As roles are.
Result<> check_group_name(std::string_view name) {
  auto checked = directory::check_role_name(name);
  if (!checked)
    return fail(Code::kInvalid,
                "peering group " + quoted(name) +
                    ": allowed are 1 to 63 of letters, digits, \".\", \"_\" and \"-\", beginning with a "
                    "letter or digit");
  if (is_id(name, "pg") && name.size() == kIdLength)
    return fail(Code::kInvalid, "peering group " + quoted(name) + ": looks like an id");
  return {};
}

Result<> put_with_peers(store::Change& change, const PeeringGroup& group) {
  PL_CHECK(tell_peers(change, group));
  return change.put(group);
}

void add_peering_groups(Routes& routes, Core& core) {
  add_collection<api::PeeringGroupView, PeeringGroup>(
      routes, core, "GET /v1/peering-groups",
      {.view = [](const Exchange& exchange, const auto& group) { return view_of(exchange.lookup->snapshot(), group); },
       .exact = {{"name", "name"}},
       .lively = true});
  routes.add_at_once("GET /v1/peering-groups/{group}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto group, asked(exchange));
    return ok(view_of(exchange.lookup->snapshot(), group));
  });
  routes.add_create("POST /v1/peering-groups",
                    [&core](Exchange exchange) { return create(core, std::move(exchange)); });
  routes.add("PATCH /v1/peering-groups/{group}",
             [&core](Exchange exchange) { return update(core, std::move(exchange)); });
  routes.add("DELETE /v1/peering-groups/{group}",
             [&core](Exchange exchange) { return remove(core, std::move(exchange)); });
}

}  // namespace portolan::control
