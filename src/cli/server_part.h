// The control plane as a part.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/part.h"
#include "control/options.h"
#include "services/services.h"

namespace portolan::control {
class Server;
}

namespace portolan::cli {

struct FirstAdmin {
  std::string email;
  Secret password;
};

struct ServerPartOptions {
  control::ServerOptions server;
  std::optional<FirstAdmin> admin = {};              // made if there is no such account
  std::optional<std::filesystem::path> ca_out = {};  // the server CA as PEM is written there
  services::Options beside = {};                     // other services on its port
};

class ServerPart : public Part {
 public:
  static net::Task<Result<std::unique_ptr<Part>>> start(net::Loop& loop, ServerPartOptions options);
  ServerPart(std::unique_ptr<control::Server> server, std::vector<services::Hosted> beside);
  ~ServerPart() override;
  net::Task<> stop() override;
  const control::Server& server() const { return *server_; }
  bool made_admin() const { return made_admin_; }

 private:
  std::vector<services::Hosted> beside_;  // outlive the server, whose connections they answer
  std::unique_ptr<control::Server> server_;
  bool made_admin_ = false;
};

}  // namespace portolan::cli
