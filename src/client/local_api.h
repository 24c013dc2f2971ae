// The agent's own API (api/local.h) on its Unix socket and, with a token from a 0600 file, on a loopback port. Other
// users, web pages (Host and Origin checks, no change on GET) and strangers get nothing.
#pragma once
#include <memory>
#include <optional>

#include "api/local.h"
#include "base/bytes.h"
#include "client/home.h"
#include "net/http/server.h"
#include "net/tcp.h"

namespace portolan::client {

// What the API does; implemented by the agent.
class LocalActions {
 public:
  virtual ~LocalActions() = default;
  virtual api::AgentStatus status() const = 0;
  virtual net::Task<Result<std::vector<api::LocalResource>>> connect(api::ConnectRequest request) = 0;
  virtual net::Task<Result<std::vector<api::LocalResource>>> disconnect(api::ConnectRequest request) = 0;
  virtual void reload() = 0;
  virtual void request_stop() = 0;
};

// One loop. stop() before destruction.
class LocalApi {
 public:
  static Result<std::unique_ptr<LocalApi>> start(const net::Executor& executor, const Home& home,
                                                 std::optional<net::Endpoint> port, LocalActions& actions);
  net::Task<> stop();

 private:
  LocalApi(const net::Executor& executor, Secret token, LocalActions& actions);
  void add_routes();
  Result<> allow(const net::http::Call& call) const;
  net::http::Handler guarded(std::function<net::Task<Result<std::string>>(const net::http::Call&)> action);
  void serve(std::unique_ptr<net::Stream> stream, net::http::Connection connection);

  Secret token_;
  LocalActions& actions_;
  net::http::Router router_;
  net::http::ServerOptions options_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::client
