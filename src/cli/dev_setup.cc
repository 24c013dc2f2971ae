#include "cli/dev_setup.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "api/token.h"
#include "base/file.h"
#include "cli/control_api.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

constexpr const char* kRole = "everyone";
constexpr const char* kTokenName = "dev";

// FOLDER/dev.json: which resources are ours to change and remove.
struct Made {
  std::vector<std::string> resources;
};
BOOST_DESCRIBE_STRUCT(Made, (), (resources))

struct NodeIdentity {
  std::string node;
};
BOOST_DESCRIBE_STRUCT(NodeIdentity, (), (node))

std::string id_in(const std::filesystem::path& folder) {
  const auto text = read_file(folder / "node.json");
  if (!text) return "";
  const auto identity = json::decode<NodeIdentity>(*text, json::Unknown::kIgnore);
  return identity ? identity->node : "";
}

net::Task<Result<>> prepare_node(api::ControlClient& control, std::filesystem::path folder, DevNode node,
                                 std::optional<api::NodeStatusView> there) {
  std::error_code ignored;
  if (there && there->id == id_in(folder) && there->kind == node.kind) co_return Result<>{};
  // Its identity or the directory's side of it is gone: it joins anew.
  if (there) {
    CO_CHECK(co_await control.remove("/v1/nodes/" + there->id));
  }
  std::filesystem::remove_all(folder, ignored);
  CO_CHECK(make_folder(folder, Privacy::kPrivate));
  CO_TRY(const auto token, co_await control.post<api::JoinTokenMade>(
                               "/v1/join-tokens", api::JoinTokenCreate{.kind = node.kind, .name = node.name}));
  co_return write_file(folder / "join-token", token.token.reveal(), Privacy::kPrivate);
}

bool is_ours(const api::NodeStatusView& node) { return node.name.starts_with(node.kind + "-"); }

std::set<std::string> made_before(const std::filesystem::path& folder) {
  const auto text = read_file(folder / "dev.json");
  const auto made = text ? json::decode<Made>(*text, json::Unknown::kIgnore) : Result<Made>(Made{});
  return made ? std::set<std::string>(made->resources.begin(), made->resources.end()) : std::set<std::string>();
}

api::ResourceUpdate to_update(const api::ResourceCreate& create) {
  api::ResourceUpdate update;
  update.host = create.host;
  if (create.port) update.port = create.port;
  update.local_port = create.local_port;
  update.settings = create.settings.value_or(std::map<std::string, std::string>());
  update.username = create.username.value_or("");
  update.password = create.password.value_or(Secret());
  update.egress_nodes = std::vector<std::string>();
  return update;
}

const api::ResourceView* find(const std::vector<api::ResourceView>& there, const std::string& name) {
  const auto found = std::ranges::find(there, name, &api::ResourceView::name);
  return found == there.end() ? nullptr : &*found;
}

net::Task<Result<api::ResourceView>> put_resource(api::ControlClient& control,
                                                  const std::vector<api::ResourceView>& there,
                                                  api::ResourceCreate wanted) {
  const api::ResourceView* before = find(there, wanted.name);
  if (before && before->type == wanted.type) {
    co_return co_await control.patch<api::ResourceView>("/v1/resources/" + before->id, to_update(wanted));
  }
  if (before) {
    CO_CHECK(co_await control.remove("/v1/resources/" + before->id));
  }
  co_return co_await control.post<api::ResourceView>("/v1/resources", std::move(wanted));
}

net::Task<Result<>> grant_all(api::ControlClient& control, std::string account,
                              const std::vector<api::ResourceView>& resources) {
  CO_TRY(const auto roles, co_await list_all<api::RoleView>(control, "/v1/roles", {{"name", kRole}}));
  if (roles.empty()) {
    CO_CHECK(co_await control.post<api::RoleView>("/v1/roles", api::RoleCreate{kRole}));
  }
  CO_TRY(const auto memberships,
         co_await list_all<api::MembershipView>(control, "/v1/memberships", {{"account", account}, {"role", kRole}}));
  if (memberships.empty()) {
    CO_CHECK(co_await control.post<api::MembershipView>("/v1/memberships", api::MembershipCreate{account, kRole}));
  }
  CO_TRY(const auto grants, co_await list_all<api::GrantView>(control, "/v1/grants", {{"role", kRole}}));
  for (const api::ResourceView& resource : resources) {
    if (std::ranges::find(grants, resource.id, &api::GrantView::resource) != grants.end()) continue;
    CO_CHECK(co_await control.post<api::GrantView>("/v1/grants", api::GrantCreate{kRole, resource.id}));
  }
  co_return Result<>{};
}

}  // namespace

std::vector<DevNode> dev_nodes(std::size_t gateways, std::size_t relays) {
  std::vector<DevNode> out;
  for (std::size_t i = 1; i <= gateways; ++i) out.push_back({"gateway", fmt::format("gateway-{}", i)});
  for (std::size_t i = 1; i <= relays; ++i) out.push_back({"relay", fmt::format("relay-{}", i)});
  return out;
}

Result<std::vector<std::uint16_t>> dev_local_ports(const std::vector<api::ResourceCreate>& wanted,
                                                   const std::vector<api::ResourceView>& there, const DevPorts& ports) {
  std::set<std::uint16_t> taken;
  for (const api::ResourceView& resource : there) taken.insert(resource.local_port);
  std::vector<std::uint16_t> out;
  std::size_t next = 0;
  for (const api::ResourceCreate& resource : wanted) {
    const api::ResourceView* before = find(there, resource.name);
    if (before && before->type == resource.type && ports.is_resource_port(before->local_port)) {
      out.push_back(before->local_port);
      continue;
    }
    while (next < DevPorts::kMostResources && taken.contains(ports.resource(next))) ++next;
    if (next == DevPorts::kMostResources)
      return fail(Code::kLimit,
                  fmt::format("more than {} resources do not fit into the ports of dev", DevPorts::kMostResources));
    out.push_back(ports.resource(next++));
  }
  return out;
}

net::Task<Result<>> prepare_nodes(api::ControlClient& control, std::filesystem::path folder,
                                  std::vector<DevNode> nodes) {
  CO_TRY(auto there, co_await list_all<api::NodeStatusView>(control, "/v1/nodes", {}));
  std::erase_if(there, [](const auto& node) { return node.state == "revoked"; });
  for (const DevNode& node : nodes) {
    const auto found = std::ranges::find(there, node.name, &api::NodeStatusView::name);
    const auto before = found == there.end() ? std::nullopt : std::optional(*found);
    CO_CHECK(co_await prepare_node(control, folder / node.name, node, before));
  }
  for (const api::NodeStatusView& node : there) {
    if (!is_ours(node) || std::ranges::find(nodes, node.name, &DevNode::name) != nodes.end()) continue;
    if (id_in(folder / node.name) != node.id) continue;
    CO_CHECK(co_await control.remove("/v1/nodes/" + node.id));
    std::error_code ignored;
    std::filesystem::remove_all(folder / node.name, ignored);
  }
  co_return Result<>{};
}

net::Task<Result<std::vector<DevResource>>> define_resources(api::ControlClient& control, std::filesystem::path folder,
                                                             std::string account,
                                                             std::vector<api::ResourceCreate> wanted, DevPorts ports) {
  CO_TRY(auto there, co_await list_all<api::ResourceView>(control, "/v1/resources", {}));
  auto ours = made_before(folder);
  for (const api::ResourceView& resource : there) {
    if (!ours.contains(resource.name) ||
        std::ranges::find(wanted, resource.name, &api::ResourceCreate::name) != wanted.end())
      continue;
    CO_CHECK(co_await control.remove("/v1/resources/" + resource.id));
    ours.erase(resource.name);
  }
  std::erase_if(there, [&](const auto& resource) {
    return made_before(folder).contains(resource.name) && !ours.contains(resource.name);
  });
  CO_TRY(const auto local_ports, dev_local_ports(wanted, there, ports));
  std::vector<api::ResourceView> defined;
  std::vector<DevResource> out;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i].local_port = local_ports[i];
    auto put = co_await put_resource(control, there, wanted[i]);
    if (!put) co_return std::unexpected(std::move(put).error().within("define the resource " + quoted(wanted[i].name)));
    out.push_back({put->name, put->type, fmt::format("127.0.0.1:{}", put->local_port)});
    ours.insert(put->name);
    defined.push_back(std::move(*put));
  }
  CO_CHECK(write_file(folder / "dev.json", json::encode(Made{{ours.begin(), ours.end()}}), Privacy::kPrivate));
  CO_CHECK(co_await grant_all(control, account, defined));
  co_return out;
}

net::Task<Result<Secret>> make_dev_token(api::ControlClient& control) {
  CO_TRY(const auto old, co_await list_all<api::ApiTokenView>(control, "/v1/tokens", {{"name", kTokenName}}));
  for (const api::ApiTokenView& token : old) {
    CO_CHECK(co_await control.remove("/v1/tokens/" + token.id));
  }
  CO_TRY(auto made, co_await control.post<api::ApiTokenMade>("/v1/tokens", api::ApiTokenCreate{.name = kTokenName}));
  if (!made.token) co_return fail(Code::kInternal, "the control plane made an API token without a token");
  co_return std::move(*made.token);
}

}  // namespace portolan::cli
