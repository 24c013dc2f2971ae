#include "control/resources.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/collection.h"
#include "control/leases.h"
#include "control/objects.h"
#include "protocols/driver.h"

namespace portolan::control {
namespace {

constexpr std::uint16_t kFirstLocalPort = 10'000;
constexpr std::uint16_t kLastLocalPort = 32'767;
constexpr std::size_t kSecretLimit = 4096;
constexpr std::size_t kSettingsLimit = 64 * 1024;
constexpr std::size_t kTagsLimit = 64;

api::ResourceView view_of(const directory::Resource& resource) {
  return {resource.id,           resource.name,     resource.type,
          resource.host,         resource.port,     resource.local_port,
          resource.settings,     resource.username, !resource.sealed_password.empty(),
          resource.egress_nodes, resource.created,  resource.tags,
          resource.revision};
}

Result<const protocols::Protocol*> protocol_of(const std::string& type) {
  if (const auto* protocol = protocols::find_protocol(type)) return protocol;
  std::string known;
  for (const auto& protocol : protocols::registry()) known += (known.empty() ? "" : ", ") + std::string(protocol.name);
  return fail(Code::kInvalid, "type " + quoted(type) + ": is not known; known are: " + known);
}

Result<> check_host(const std::string& host) {
  const bool plain = std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '%';
  });
  if (!host.empty() && host.size() <= 253 && plain) return {};
  return fail(Code::kInvalid, "host " + quoted(host) + ": must be a host name or an address, without a port");
}

// Tags are what lists are filtered by: "env=prod".
Result<> check_tags(const std::map<std::string, std::string>& tags) {
  if (tags.size() > kTagsLimit) return fail(Code::kInvalid, "tags: at most " + std::to_string(kTagsLimit));
  for (const auto& [key, value] : tags) {
    const bool plain = std::ranges::all_of(key, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
             c == '_' || c == '/' || c == ':';
    });
    if (key.empty() || key.size() > 63 || !plain)
      return fail(Code::kInvalid, "tags: the key " + quoted(key) +
                                      " must have 1 to 63 of a-z, A-Z, 0-9, \".\", \"-\", \"_\", \"/\", \":\"");
    PL_CHECK(check_text("tags." + key, value, 255));
  }
  return {};
}

// All that can be said of a resource without the rest of the directory.
Result<> check(const directory::Resource& resource) {
  PL_CHECK(directory::check_resource_name(resource.name));
  PL_TRY(const auto* protocol, protocol_of(resource.type));
  PL_CHECK(check_host(resource.host));
  if (resource.port == 0) return fail(Code::kInvalid, "port: is needed for a resource of type " + resource.type);
  if (resource.local_port != 0 && (resource.local_port < kFirstLocalPort || resource.local_port > kLastLocalPort))
    return fail(Code::kInvalid,
                "local_port: must be " + std::to_string(kFirstLocalPort) + " to " + std::to_string(kLastLocalPort));
  PL_CHECK(check_tags(resource.tags));
  if (json::encode(resource.settings).size() > kSettingsLimit) return fail(Code::kLimit, "settings: too long");
  return protocol->check(resource.settings, resource.username);
}

Result<> check_password(const std::optional<Secret>& password) {
  if (!password || password->reveal().size() <= kSecretLimit) return {};
  return fail(Code::kInvalid, "password: at most " + std::to_string(kSecretLimit) + " bytes");
}

Result<std::vector<std::string>> node_ids(const Lookup& lookup, const std::vector<std::string>& keys) {
  std::vector<std::string> out;
  for (const auto& key : keys) {
    PL_TRY(const auto node, existing(lookup.node(key), "node", key));
    if (node.revoked) return fail(Code::kInvalid, "egress_nodes: the node " + quoted(key) + " has been revoked");
    if (std::ranges::find(out, node.id) == out.end()) out.push_back(node.id);
  }
  return out;
}

}  // namespace

void Resources::add_to(Routes& routes) {
  add_collection<api::ResourceView, directory::Resource>(
      routes, core_, "GET /v1/resources",
      {.view = [](const Exchange&, const auto& resource) { return view_of(resource); },
       .exact = {{"name", "name"}, {"type", "type"}}});
  routes.add_at_once("GET /v1/resources/{resource}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto resource,
           existing(exchange.lookup->resource(exchange.argument()), "resource", exchange.argument()));
    return ok(view_of(resource));
  });
  routes.add_create("POST /v1/resources", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("PATCH /v1/resources/{resource}", [this](Exchange exchange) { return update(std::move(exchange)); });
  routes.add("DELETE /v1/resources/{resource}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

std::string Resources::seal(const std::string& resource, const Secret& password) const {
  return password.empty() ? std::string() : core_.sealing.seal(password, password_context(resource));
}

std::string Resources::reseal(const directory::Resource& resource, const Secret& password) const {
  if (!resource.sealed_password.empty()) {
    const auto known = core_.sealing.open(resource.sealed_password, password_context(resource.id));
    if (known && equal_in_constant_time(as_bytes(known->reveal()), as_bytes(password.reveal())))
      return resource.sealed_password;
  }
  return seal(resource.id, password);
}

net::Task<Answer> Resources::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ResourceCreate>());
  CO_TRY(const auto* protocol, protocol_of(request.type));
  CO_CHECK(check_password(request.password));
  CO_TRY(auto egress, node_ids(*exchange.lookup, request.egress_nodes.value_or(std::vector<std::string>())));
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
  if (request.password) resource.sealed_password = seal(resource.id, *request.password);
  resource.egress_nodes = std::move(egress);
  resource.created = core_.now();
  if (request.local_port && *request.local_port == 0) co_return fail(Code::kInvalid, "local_port: must not be 0");
  CO_CHECK(check(resource));
  const std::uint16_t usual = protocol->default_port != 0 ? protocol->default_port : resource.port;
  auto choose_port = [usual](directory::Resource& made, store::Change& change) -> Result<> {
    if (made.local_port != 0) return {};
    PL_TRY(made.local_port, directory::choose_local_port(change.now(), usual));
    return {};
  };
  co_return co_await create_object<directory::Resource>(
      core_, exchange, std::move(resource), [](const auto& made, const auto&) { return created(view_of(made)); },
      std::move(choose_port));
}

net::Task<Answer> Resources::update(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ResourceUpdate>());
  CO_TRY(const auto resource,
         existing(exchange.lookup->resource(exchange.argument()), "resource", exchange.argument()));
  CO_CHECK(check_password(request.password));
  std::optional<std::string> sealed;
  if (request.password) sealed = reseal(resource, *request.password);
  request.password.reset();
  std::optional<std::vector<std::string>> egress;
  if (request.egress_nodes) {
    CO_TRY(egress, node_ids(*exchange.lookup, *request.egress_nodes));
  }
  if (request.local_port && *request.local_port == 0) co_return fail(Code::kInvalid, "local_port: must not be 0");
  auto edit = [request = std::move(request), sealed, egress](directory::Resource& changed, store::Change&) -> Result<> {
    changed.name = request.name.value_or(changed.name);
    changed.host = request.host.value_or(changed.host);
    changed.port = request.port.value_or(changed.port);
    changed.local_port = request.local_port.value_or(changed.local_port);
    changed.settings = request.settings.value_or(changed.settings);
    changed.username = request.username.value_or(changed.username);
    changed.sealed_password = sealed.value_or(changed.sealed_password);
    changed.egress_nodes = egress.value_or(changed.egress_nodes);
    changed.tags = request.tags.value_or(changed.tags);
    return check(changed);
  };
  CO_TRY(const auto changed, co_await edit_object<directory::Resource>(core_, exchange, resource.id, std::move(edit)));
  co_return ok(view_of(changed));
}

net::Task<Answer> Resources::remove(Exchange exchange) {
  CO_TRY(const auto resource,
         existing(exchange.lookup->resource(exchange.argument()), "resource", exchange.argument()));
  co_return co_await remove_object<directory::Resource>(core_, exchange, resource.id);
}

}  // namespace portolan::control
