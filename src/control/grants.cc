#include <utility>

#include "api/admin.h"
#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"
#include "control/roles.h"

namespace portolan::control {
namespace {

std::string state_of(const directory::Grant& grant, WallTime now) {
  if (directory::in_force(grant, now)) return "active";
  return grant.ends && *grant.ends <= now ? "ended" : "scheduled";
}

api::GrantView view_of(const directory::Snapshot& snapshot, const directory::Grant& grant, WallTime now) {
  api::GrantView view;
  view.id = grant.id;
  view.role = grant.role;
  view.resource = grant.resource;
  view.created = grant.created;
  if (const auto role = snapshot.roles.find(grant.role); role != snapshot.roles.end())
    view.role_name = role->second.name;
  if (const auto resource = snapshot.resources.find(grant.resource); resource != snapshot.resources.end())
    view.resource_name = resource->second.name;
  view.starts = grant.starts;
  view.ends = grant.ends;
  view.state = state_of(grant, now);
  view.revision = grant.revision;
  return view;
}

api::GrantView view_of(const Exchange& exchange, const directory::Grant& grant) {
  return view_of(exchange.lookup->snapshot(), grant, exchange.now);
}

Result<directory::Grant> asked(const Exchange& exchange) {
  const auto& all = exchange.lookup->snapshot().grants;
  const auto found = all.find(exchange.argument());
  return existing(found == all.end() ? nullptr : &found->second, "grant", exchange.argument());
}

net::Task<Answer> create(Core& core, Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::GrantCreate>());
  CO_TRY(const auto role, existing(exchange.lookup->role(request.role), "role", request.role));
  CO_TRY(const auto resource, existing(exchange.lookup->resource(request.resource), "resource", request.resource));
  directory::Grant grant{.id = make_id("g"),
                         .role = role.id,
                         .resource = resource.id,
                         .created = exchange.now,
                         .starts = request.starts,
                         .ends = request.ends};
  CO_CHECK(check_bounds(grant, exchange.now));
  co_return co_await create_object<directory::Grant>(
      core, exchange, std::move(grant),
      [now = exchange.now](const auto& made, const auto& snapshot) { return created(view_of(snapshot, made, now)); });
}

net::Task<Answer> update(Core& core, Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::GrantUpdate>());
  CO_TRY(const auto grant, asked(exchange));
  const bool no_start = request.no_start.value_or(false);
  const bool no_end = request.no_end.value_or(false);
  if ((no_start && request.starts) || (no_end && request.ends))
    co_return fail(Code::kInvalid, "give a bound or take it away, not both");
  auto edit = [request, no_start, no_end, now = exchange.now](directory::Grant& changed, store::Change&) -> Result<> {
    if (request.starts || no_start) changed.starts = request.starts;
    if (request.ends || no_end) changed.ends = request.ends;
    return check_bounds(changed, now);
  };
  CO_TRY(const auto changed, co_await edit_object<directory::Grant>(core, exchange, grant.id, std::move(edit)));
  co_return ok(view_of(exchange, changed));
}

}  // namespace

Result<> check_bounds(const directory::Grant& grant, WallTime now) {
  if (!grant.ends) return {};
  if (grant.starts && *grant.ends <= *grant.starts) return fail(Code::kInvalid, "ends: must be later than starts");
  if (*grant.ends <= now)
    return fail(Code::kInvalid, "ends: " + to_rfc3339(*grant.ends) + " is past; remove the grant to end it now");
  return {};
}

void add_grants(Routes& routes, Core& core) {
  add_collection<api::GrantView, directory::Grant>(
      routes, core, "GET /v1/grants",
      {.view = [](const Exchange& exchange, const auto& grant) { return view_of(exchange, grant); },
       .order = "created",
       .exact = {{"role", "role", role_id},
                 {"resource", "resource", resource_id},
                 {"state", "state", nullptr, {"active", "scheduled", "ended"}}},
       .lively = true});
  routes.add_at_once("GET /v1/grants/{grant}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto grant, asked(exchange));
    return ok(view_of(exchange, grant));
  });
  routes.add_create("POST /v1/grants", [&core](Exchange exchange) { return create(core, std::move(exchange)); });
  routes.add("PATCH /v1/grants/{grant}", [&core](Exchange exchange) { return update(core, std::move(exchange)); });
  routes.add("DELETE /v1/grants/{grant}", [&core](Exchange exchange) {
    std::string id = exchange.argument();
    return remove_object<directory::Grant>(core, std::move(exchange), std::move(id));
  });
}

}  // namespace portolan::control
