// One deployment of `portolan dev`: its folder, its ports, its parts, and the way up and down.
//
//   DIR/server      the control plane's data       DIR/dev.key         the sealing key: beside the data, for trying
//   things out only DIR/gateway-1   a node's data                  DIR/admin.password  the first account's password
//   DIR/home        the client's home              DIR/ca.pem          the server CA
//   DIR/port-base   the base of the last run       DIR/dev.json        which resources dev has made
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/dev_parts.h"
#include "cli/dev_ports.h"
#include "cli/dev_ready_file.h"
#include "cli/dev_setup.h"
#include "client/home.h"

namespace portolan::cli {

struct DevOptions {
  std::filesystem::path data;  // absolute
  std::string email = "admin@example.com";
  std::vector<api::ResourceCreate> resources = {};
  std::optional<std::filesystem::path> ready_file = {};
  std::size_t gateways = 1;
  std::size_t relays = 1;
  bool separate = false;
  bool nested_paths = false;
  std::chrono::milliseconds drain_limit{0};                        // of each node
  std::optional<std::chrono::milliseconds> certificate_life = {};  // of everybody's certificates
  DevPorts ports = {};
  std::vector<std::string> log_arguments = {};  // for parts that are processes
};

// On the main loop.
class DevDeployment {
 public:
  // `say` tells the person what happens now.
  DevDeployment(const net::Executor& executor, DevOptions options, std::function<void(const std::string&)> say);

  // Until a first connection would work.
  net::Task<Result<>> bring_up();
  net::Task<> bring_down();
  const DevReady& ready() const { return ready_; }
  // Resources whose port somebody else holds: "NAME: why".
  const std::vector<std::string>& failed() const { return failed_; }
  const std::vector<DevNode>& nodes() const { return nodes_; }
  net::Endpoint gateway(std::size_t i) const { return {"127.0.0.1", options_.ports.gateway(i)}; }

 private:
  Result<> prepare_folder();
  net::Task<Result<>> start_control();
  net::Task<Result<>> sign_in();
  net::Task<Result<>> start_nodes();
  net::Task<Result<>> start_agent();
  net::Task<Result<>> wait_until_usable();
  net::Task<Result<>> usable_now();
  DevPart control_part() const;
  DevPart node_part(std::size_t index) const;
  DevPart agent_part() const;
  void on_change();

  net::Executor executor_;
  DevOptions options_;
  std::function<void(const std::string&)> say_;
  std::vector<DevNode> nodes_;
  client::Home home_;
  client::ClientState account_;
  std::unique_ptr<api::ControlClient> control_;
  std::unique_ptr<DevParts> parts_;
  DevReady ready_;
  bool is_ready_ = false;
  std::vector<std::string> failed_;
};

}  // namespace portolan::cli
