// What `portolan dev` defines at its control plane, as any admin could by the API: nodes, resources, one role that may
// use them. What an earlier run on the same data folder has left is brought in line with this run.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "api/client.h"
#include "cli/dev_ports.h"
#include "cli/dev_ready_file.h"

namespace portolan::cli {

struct DevNode {
  std::string kind;  // "gateway", "relay"
  std::string name;  // "gateway-1"; also its folder's name
};
std::vector<DevNode> dev_nodes(std::size_t gateways, std::size_t relays);

// Where each resource listens: where it did in an earlier run if that lies in this run's range, else the first free
// port of it.
Result<std::vector<std::uint16_t>> dev_local_ports(const std::vector<api::ResourceCreate>& wanted,
                                                   const std::vector<api::ResourceView>& there, const DevPorts& ports);

// Makes a join token for each node that has none of its identity left, at FOLDER/NAME/join-token; revokes what is not
// wanted any more.
net::Task<Result<>> prepare_nodes(api::ControlClient& control, std::filesystem::path folder,
                                  std::vector<DevNode> nodes);

// Creates, changes and removes resources, so that those `wanted` are there, and grants them to the account.
net::Task<Result<std::vector<DevResource>>> define_resources(api::ControlClient& control, std::filesystem::path folder,
                                                             std::string account,
                                                             std::vector<api::ResourceCreate> wanted, DevPorts ports);

// A new API token in place of the last run's.
net::Task<Result<Secret>> make_dev_token(api::ControlClient& control);

}  // namespace portolan::cli
