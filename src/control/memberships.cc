#include <utility>

#include "api/admin.h"
#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"
#include "control/roles.h"

namespace portolan::control {
namespace {

api::MembershipView view_of(const directory::Snapshot& snapshot, const directory::Membership& membership) {
  api::MembershipView view{membership.id,      membership.account, membership.role, membership.created, {}, {},
                           membership.revision};
  if (const auto account = snapshot.accounts.find(membership.account); account != snapshot.accounts.end())
    view.email = account->second.email;
  if (const auto role = snapshot.roles.find(membership.role); role != snapshot.roles.end())
    view.role_name = role->second.name;
  return view;
}

Result<directory::Membership> asked(const Exchange& exchange) {
  const auto& all = exchange.lookup->snapshot().memberships;
  const auto found = all.find(exchange.argument());
  return existing(found == all.end() ? nullptr : &found->second, "membership", exchange.argument());
}

net::Task<Answer> create(Core& core, Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::MembershipCreate>());
  CO_TRY(const auto account, existing(exchange.lookup->account(request.account), "account", request.account));
  CO_TRY(const auto role, existing(exchange.lookup->role(request.role), "role", request.role));
  directory::Membership membership{.id = make_id("m"), .account = account.id, .role = role.id, .created = exchange.now};
  co_return co_await create_object<directory::Membership>(
      core, exchange, std::move(membership),
      [](const auto& made, const auto& snapshot) { return created(view_of(snapshot, made)); });
}

}  // namespace

void add_memberships(Routes& routes, Core& core) {
  add_collection<api::MembershipView, directory::Membership>(
      routes, core, "GET /v1/memberships",
      {.view = [](const Exchange& exchange,
                  const auto& membership) { return view_of(exchange.lookup->snapshot(), membership); },
       .order = "created",
       .exact = {{"account", "account", account_id}, {"role", "role", role_id}}});
  routes.add_at_once("GET /v1/memberships/{membership}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto membership, asked(exchange));
    return ok(view_of(exchange.lookup->snapshot(), membership));
  });
  routes.add_create("POST /v1/memberships", [&core](Exchange exchange) { return create(core, std::move(exchange)); });
  routes.add("DELETE /v1/memberships/{membership}", [&core](Exchange exchange) {
    std::string id = exchange.argument();
    return remove_object<directory::Membership>(core, std::move(exchange), std::move(id));
  });
}

}  // namespace portolan::control
