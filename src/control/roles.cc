#include "control/roles.h"

#include <utility>

#include "api/admin.h"
#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"

namespace portolan::control {
namespace {

api::RoleView view_of(const directory::Role& role) { return {role.id, role.name, role.created, role.revision}; }

Result<directory::Role> asked(const Exchange& exchange) {
  return existing(exchange.lookup->role(exchange.argument()), "role", exchange.argument());
}

net::Task<Answer> create(Core& core, Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::RoleCreate>());
  CO_CHECK(directory::check_role_name(request.name));
  directory::Role role{.id = make_id("r"), .name = request.name, .created = exchange.now};
  co_return co_await create_object<directory::Role>(
      core, exchange, std::move(role), [](const auto& made, const auto&) { return created(view_of(made)); });
}

net::Task<Answer> update(Core& core, Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::RoleUpdate>());
  CO_TRY(const auto role, asked(exchange));
  if (request.name) {
    CO_CHECK(directory::check_role_name(*request.name));
  }
  auto edit = [name = request.name](directory::Role& changed, store::Change&) -> Result<> {
    changed.name = name.value_or(changed.name);
    return {};
  };
  CO_TRY(const auto changed, co_await edit_object<directory::Role>(core, exchange, role.id, std::move(edit)));
  co_return ok(view_of(changed));
}

net::Task<Answer> remove(Core& core, Exchange exchange) {
  CO_TRY(const auto role, asked(exchange));
  co_return co_await remove_object<directory::Role>(core, exchange, role.id);
}

}  // namespace

void add_roles(Routes& routes, Core& core) {
  add_collection<api::RoleView, directory::Role>(
      routes, core, "GET /v1/roles",
      {.view = [](const Exchange&, const auto& role) { return view_of(role); }, .exact = {{"name", "name"}}});
  routes.add_at_once("GET /v1/roles/{role}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto role, asked(exchange));
    return ok(view_of(role));
  });
  routes.add_create("POST /v1/roles", [&core](Exchange exchange) { return create(core, std::move(exchange)); });
  routes.add("PATCH /v1/roles/{role}", [&core](Exchange exchange) { return update(core, std::move(exchange)); });
  routes.add("DELETE /v1/roles/{role}", [&core](Exchange exchange) { return remove(core, std::move(exchange)); });
}

}  // namespace portolan::control
