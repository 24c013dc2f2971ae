// The agent's own API (api/local.h) on its Unix socket and, with a token from a 0600 file, on a loopback port. Other
// users, web pages (Host and Origin checks, no change on GET) and strangers get nothing.
#pragma once
#include <memory>
#include <optional>

#include "api/local.h"
#include "base/bytes.h"
#include "client/changes.h"
#include "client/home.h"
#include "net/http/server.h"
#include "net/tcp.h"

namespace portolan::client {

// What the API does; implemented by the agent.
class LocalActions {
 public:
  virtual ~LocalActions() = default;
  virtual api::AgentStatus status() const = 0;
  // Waits for a moment if the control plane has not said yet what there is.
  virtual net::Task<Result<std::vector<api::LocalResource>>> resources() = 0;
  virtual net::Task<Result<std::vector<api::LocalResource>>> connect(api::ConnectRequest request) = 0;
  virtual net::Task<Result<std::vector<api::LocalResource>>> disconnect(api::ConnectRequest request) = 0;
  virtual void reload() = 0;
  virtual void request_stop() = 0;
};

// One loop. stop() before destruction.
class LocalApi {
 public:
  static Result<std::unique_ptr<LocalApi>> start(const net::Executor& executor, const Home& home,
                                                 std::optional<net::Endpoint> port, LocalActions& actions,
                                                 Changes& changes);
  // None if there is to be no port.
  std::optional<api::LocalPort> port() const;
  net::Task<> stop();

 private:
  LocalApi(const net::Executor& executor, Secret token, std::optional<net::Endpoint> port, LocalActions& actions,
           Changes& changes);
  void listen_on_port();
  net::Task<> retry_port();
  net::Task<Result<>> serve_status(net::http::Call call, net::http::Sink& sink);
  net::Task<Result<>> watch_status(net::http::Sink& sink);
  void add_routes();
  Result<> allow(const net::http::Call& call) const;
  net::http::Handler guarded(std::function<net::Task<Result<std::string>>(const net::http::Call&)> action);
  void serve(std::unique_ptr<net::Stream> stream, net::http::Connection connection);

  Secret token_;
  std::optional<net::Endpoint> port_;
  std::optional<api::LocalPort> port_state_;
  LocalActions& actions_;
  Changes& changes_;
  net::http::Router router_;
  net::http::ServerOptions options_;
  std::unique_ptr<net::Listener> socket_listener_;
  std::unique_ptr<net::Listener> port_listener_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::client
