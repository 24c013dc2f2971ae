// A port for services that have no control plane beside them: the operator's certificate, TLS 1.3, HTTP/1.1 and HTTP/2.
#pragma once
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

#include "net/loop.h"
#include "net/tcp.h"
#include "services/services.h"

namespace portolan::services {

struct ServerOptions {
  net::Endpoint listen{"", 443};
  // Chain and key, PEM; its names are those of all services. Read again when they have been written.
  std::filesystem::path certificate_file = {};
  std::filesystem::path key_file = {};
  std::chrono::milliseconds handshake_limit = std::chrono::seconds(10);
  std::size_t handshakes = 512;  // open ones; beyond it the oldest goes
  std::size_t connections = 10'000;
};

// One loop. stop() has returned before the destruction, or the loop has ended.
class Server {
 public:
  static Result<std::unique_ptr<Server>> start(net::Loop& loop, ServerOptions options, std::vector<Hosted> services);
  ~Server();
  net::Endpoint local() const;
  // Takes no more connections and ends those that there are; a download goes on elsewhere, or is resumed later.
  net::Task<> stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace portolan::services
