// `portolan server --serve`: which services a process gives, their settings, and the part that runs where the control
// plane is not among them.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/part.h"
#include "cli/settings.h"
#include "services/server.h"

namespace portolan::cli {

struct ServeOptions {
  std::vector<std::string> serve = {"app"};
  std::string downloads_folder;
  std::vector<std::string> downloads_hosts;
};

void add_serve_options(Settings& settings, ServeOptions& options);

struct Served {
  bool app = false;
  services::Options services;  // beside it, or alone
};
Result<Served> served(const ServeOptions& options);

struct ServicesPartOptions {
  services::ServerOptions server;
  services::Options services;
};

class ServicesPart : public Part {
 public:
  static net::Task<Result<std::unique_ptr<Part>>> start(net::Loop& loop, ServicesPartOptions options);
  explicit ServicesPart(std::unique_ptr<services::Server> server);
  ~ServicesPart() override;
  net::Task<> stop() override;
  const services::Server& server() const { return *server_; }

 private:
  std::unique_ptr<services::Server> server_;
};

}  // namespace portolan::cli
