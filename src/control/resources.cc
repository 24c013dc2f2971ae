#include "control/resources.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"
#include "control/resource_rules.h"
#include "directory/egress.h"
#include "directory/peering.h"

namespace portolan::control {
namespace {

// Beside what is wrong with itself: that its filter or its groups leave it no node.
std::vector<std::string> warnings_of(const directory::Snapshot& snapshot, const directory::Resource& resource,
                                     WallTime now) {
  auto warnings = resource_warnings(resource, now);
  if (resource.egress_filter.empty() && directory::groups_of_resource(snapshot, resource.id).empty()) return warnings;
  if (auto why = directory::why_no_egress(snapshot, resource); !why.empty())
    warnings.push_back("nobody can reach it: " + why);
  return warnings;
}

api::ResourceView view_of(const directory::Snapshot& snapshot, const directory::Resource& resource, WallTime now) {
  return {resource.id,
          resource.name,
          resource.type,
          resource.host,
          resource.port,
          resource.local_port,
          resource.settings,
          resource.username,
          !resource.sealed_password.empty(),
          resource.egress_nodes,
          resource.created,
          resource.tags,
          !resource.sealed_tls_key.empty(),
          warnings_of(snapshot, resource, now),
          resource.revision,
          resource.egress_filter};
}

std::vector<std::string_view> known_types() {
  std::vector<std::string_view> types;
  for (const auto& protocol : protocols::registry()) types.push_back(protocol.name);
  return types;
}

}  // namespace

void Resources::add_to(Routes& routes) {
  add_collection<api::ResourceView, directory::Resource>(
      routes, core_, "GET /v1/resources",
      {.view = [this](const Exchange& exchange,
                      const auto& resource) { return view_of(exchange.lookup->snapshot(), resource, core_.now()); },
       .exact = {{"name", "name"}, {"type", "type", nullptr, known_types()}}});
  routes.add_at_once("GET /v1/resources/{resource}", [this](const Exchange& exchange) -> Answer {
    PL_TRY(const auto resource,
           existing(exchange.lookup->resource(exchange.argument()), "resource", exchange.argument()));
    return ok(view_of(exchange.lookup->snapshot(), resource, core_.now()));
  });
  routes.add_create("POST /v1/resources", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("PATCH /v1/resources/{resource}", [this](Exchange exchange) { return update(std::move(exchange)); });
  routes.add("DELETE /v1/resources/{resource}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

net::Task<Answer> Resources::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ResourceCreate>());
  CO_TRY(const auto* protocol, protocol_of(request.type));
  CO_CHECK(check_resource_password(request.password));
  CO_TRY(auto egress,
         egress_ids(exchange.lookup->snapshot(), request.egress_nodes.value_or(std::vector<std::string>())));
  directory::Resource resource;
  resource.id = make_id("rs");
  resource.name = request.name;
  resource.type = request.type;
  resource.host = request.host;
  resource.port = request.port.value_or(protocol->default_port);
  resource.local_port = request.local_port.value_or(0);
  if (request.settings) resource.settings = std::move(*request.settings);
  if (request.tags) resource.tags = std::move(*request.tags);
  resource.username = request.username.value_or("");
  if (request.password) resource.sealed_password = seal_password(core_.sealing, resource.id, *request.password);
  resource.egress_nodes = std::move(egress);
  resource.egress_filter = request.egress_filter.value_or("");
  resource.created = core_.now();
  CO_CHECK(check_local_port(request.local_port));
  CO_CHECK(check_resource(resource));
  CO_CHECK(set_tls_key(core_.sealing, resource, request.tls_key));
  const std::uint16_t usual = usual_local_port(*protocol, resource);
  auto choose_port = [usual](directory::Resource& made, store::Change& change) -> Result<> {
    if (made.local_port != 0) return {};
    PL_TRY(made.local_port, directory::choose_local_port(change.now(), usual));
    return {};
  };
  co_return co_await create_object<directory::Resource>(
      core_, exchange, std::move(resource),
      [this](const auto& made, const auto& snapshot) { return created(view_of(snapshot, made, core_.now())); },
      std::move(choose_port));
}

net::Task<Answer> Resources::update(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ResourceUpdate>());
  CO_TRY(const auto resource,
         existing(exchange.lookup->resource(exchange.argument()), "resource", exchange.argument()));
  CO_CHECK(check_resource_password(request.password));
  std::optional<std::string> sealed;
  if (request.password) sealed = reseal_password(core_.sealing, resource, *request.password);
  request.password.reset();
  std::optional<std::vector<std::string>> egress;
  if (request.egress_nodes) {
    CO_TRY(egress, egress_ids(exchange.lookup->snapshot(), *request.egress_nodes));
  }
  CO_CHECK(check_local_port(request.local_port));
  // `request.password` says to the check only that there is a new one.
  if (sealed) request.password = Secret();
  auto edit = [request = std::move(request), sealed, egress, &sealing = core_.sealing](directory::Resource& changed,
                                                                                       store::Change&) -> Result<> {
    PL_CHECK(check_kept_password(changed, request));
    changed.name = request.name.value_or(changed.name);
    changed.host = request.host.value_or(changed.host);
    changed.port = request.port.value_or(changed.port);
    changed.local_port = request.local_port.value_or(changed.local_port);
    changed.settings = request.settings.value_or(changed.settings);
    changed.username = request.username.value_or(changed.username);
    changed.sealed_password = sealed.value_or(changed.sealed_password);
    changed.egress_nodes = egress.value_or(changed.egress_nodes);
    changed.tags = request.tags.value_or(changed.tags);
    changed.egress_filter = request.egress_filter.value_or(changed.egress_filter);
    PL_CHECK(check_resource(changed));
    return set_tls_key(sealing, changed, request.tls_key);
  };
  CO_TRY(const auto changed, co_await edit_object<directory::Resource>(core_, exchange, resource.id, std::move(edit)));
  co_return ok(view_of(core_.lookup()->snapshot(), changed, core_.now()));
}

net::Task<Answer> Resources::remove(Exchange exchange) {
  CO_TRY(const auto resource,
         existing(exchange.lookup->resource(exchange.argument()), "resource", exchange.argument()));
  co_return co_await remove_object<directory::Resource>(core_, exchange, resource.id);
}

}  // namespace portolan::control
