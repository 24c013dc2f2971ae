#include "control/roles.h"

#include <utility>

#include "api/admin.h"
#include "base/id.h"
#include "control/leases.h"
#include "control/listing.h"

namespace portolan::control {
namespace {

api::RoleView view_of(const directory::Role& role) { return {role.id, role.name, role.created}; }
api::MembershipView view_of(const directory::Membership& membership) {
  return {membership.id, membership.account, membership.role, membership.created};
}
api::GrantView view_of(const directory::Grant& grant) { return {grant.id, grant.role, grant.resource, grant.created}; }

template <class Map>
const typename Map::mapped_type* find(const Map& map, const std::string& id) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : &found->second;
}

// The filter's value as an id; what is not known matches nothing.
template <class Object>
std::optional<std::string> id_filter(const net::http::Request& request, const std::string& name,
                                     const Object* (Lookup::*find)(std::string_view) const, const Lookup& lookup) {
  const auto key = request.parameter(name);
  if (!key) return std::nullopt;
  const Object* found = (lookup.*find)(*key);
  return found ? found->id : *key;
}

Answer list_roles(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_TRY(const auto part, list_request(request, {"name"}));
  std::vector<Entry<api::RoleView>> entries;
  for (const auto& [id, role] : exchange.lookup->snapshot().roles)
    if (passes(request, "name", role.name)) entries.emplace_back(order_key(role.name, id), view_of(role));
  return page(std::move(entries), part);
}

Answer list_memberships(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_TRY(const auto part, list_request(request, {"account", "role"}));
  const auto account = id_filter(request, "account", &Lookup::account, *exchange.lookup);
  const auto role = id_filter(request, "role", &Lookup::role, *exchange.lookup);
  std::vector<Entry<api::MembershipView>> entries;
  for (const auto& [id, membership] : exchange.lookup->snapshot().memberships)
    if ((!account || *account == membership.account) && (!role || *role == membership.role))
      entries.emplace_back(order_key(to_rfc3339(membership.created), id), view_of(membership));
  return page(std::move(entries), part);
}

Answer list_grants(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_TRY(const auto part, list_request(request, {"role", "resource"}));
  const auto role = id_filter(request, "role", &Lookup::role, *exchange.lookup);
  const auto resource = id_filter(request, "resource", &Lookup::resource, *exchange.lookup);
  std::vector<Entry<api::GrantView>> entries;
  for (const auto& [id, grant] : exchange.lookup->snapshot().grants)
    if ((!role || *role == grant.role) && (!resource || *resource == grant.resource))
      entries.emplace_back(order_key(to_rfc3339(grant.created), id), view_of(grant));
  return page(std::move(entries), part);
}

Answer explain(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_CHECK(check_parameters(request, {"account", "resource"}));
  const auto account_key = request.parameter("account");
  const auto resource_key = request.parameter("resource");
  if (!account_key || !resource_key) return fail(Code::kInvalid, "account and resource are needed");
  PL_TRY(const auto account, existing(exchange.lookup->account(*account_key), "account", *account_key));
  PL_TRY(const auto resource, existing(exchange.lookup->resource(*resource_key), "resource", *resource_key));
  const auto& snapshot = exchange.lookup->snapshot();
  auto decision = directory::allow(snapshot, account.id, resource.id);
  api::ExplainView view{decision.allowed, std::move(decision.code), std::move(decision.reasons), {}};
  for (const auto* node : directory::egress_nodes(snapshot, resource)) view.egress.push_back(node->name);
  return ok(view);
}

}  // namespace

void Roles::add_to(Routes& routes) {
  routes.add_at_once("GET /v1/roles", list_roles);
  routes.add_at_once("GET /v1/roles/{role}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto role, existing(exchange.lookup->role(exchange.argument()), "role", exchange.argument()));
    return ok(view_of(role));
  });
  routes.add("POST /v1/roles", [this](Exchange exchange) { return create_role(std::move(exchange)); });
  routes.add("DELETE /v1/roles/{role}", [this](Exchange exchange) {
    const auto* role = exchange.lookup->role(exchange.argument());
    std::string id = role ? role->id : exchange.argument();
    return remove<directory::Role>(std::move(exchange), std::move(id));
  });

  routes.add_at_once("GET /v1/memberships", list_memberships);
  routes.add_at_once("GET /v1/memberships/{membership}", [](const Exchange& exchange) -> Answer {
    const auto& all = exchange.lookup->snapshot().memberships;
    PL_TRY(const auto membership, existing(find(all, exchange.argument()), "membership", exchange.argument()));
    return ok(view_of(membership));
  });
  routes.add("POST /v1/memberships", [this](Exchange exchange) { return create_membership(std::move(exchange)); });
  routes.add("DELETE /v1/memberships/{membership}", [this](Exchange exchange) {
    std::string id = exchange.argument();
    return remove<directory::Membership>(std::move(exchange), std::move(id));
  });

  routes.add_at_once("GET /v1/grants", list_grants);
  routes.add_at_once("GET /v1/grants/{grant}", [](const Exchange& exchange) -> Answer {
    const auto& all = exchange.lookup->snapshot().grants;
    PL_TRY(const auto grant, existing(find(all, exchange.argument()), "grant", exchange.argument()));
    return ok(view_of(grant));
  });
  routes.add("POST /v1/grants", [this](Exchange exchange) { return create_grant(std::move(exchange)); });
  routes.add("DELETE /v1/grants/{grant}", [this](Exchange exchange) {
    std::string id = exchange.argument();
    return remove<directory::Grant>(std::move(exchange), std::move(id));
  });
  routes.add_at_once("GET /v1/access/explain", explain);
}

net::Task<Answer> Roles::create_role(Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::RoleCreate>());
  CO_CHECK(directory::check_role_name(request.name));
  const directory::Role role{make_id("r"), request.name, core_.now()};
  CO_CHECK(co_await core_.change(exchange.caller.actor(), [role](store::Change& change) { return change.put(role); }));
  co_return created(view_of(role));
}

net::Task<Answer> Roles::create_membership(Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::MembershipCreate>());
  CO_TRY(const auto account, existing(exchange.lookup->account(request.account), "account", request.account));
  CO_TRY(const auto role, existing(exchange.lookup->role(request.role), "role", request.role));
  const directory::Membership membership{make_id("m"), account.id, role.id, core_.now()};
  CO_CHECK(co_await core_.change(exchange.caller.actor(),
                                 [membership](store::Change& change) { return change.put(membership); }));
  co_return created(view_of(membership));
}

net::Task<Answer> Roles::create_grant(Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::GrantCreate>());
  CO_TRY(const auto role, existing(exchange.lookup->role(request.role), "role", request.role));
  CO_TRY(const auto resource, existing(exchange.lookup->resource(request.resource), "resource", request.resource));
  const directory::Grant grant{make_id("g"), role.id, resource.id, core_.now()};
  CO_CHECK(
      co_await core_.change(exchange.caller.actor(), [grant](store::Change& change) { return change.put(grant); }));
  co_return created(view_of(grant));
}

template <class Object>
net::Task<Answer> Roles::remove(Exchange exchange, std::string id) {
  CO_CHECK(co_await core_.change(exchange.caller.actor(),
                                 [id = std::move(id)](store::Change& change) { return change.remove<Object>(id); }));
  co_return no_content();
}

}  // namespace portolan::control
