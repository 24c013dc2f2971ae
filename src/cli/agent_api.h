// The running agent, asked over its Unix socket in the client's home.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/admin.h"
#include "api/local.h"
#include "client/home.h"
#include "net/http/client.h"

namespace portolan::cli {

// On one loop. Every call fails with Code::kUnavailable and the reason "agent_not_running" when nobody answers.
class AgentApi {
 public:
  explicit AgentApi(const client::Home& home);

  net::Task<Result<api::AgentStatus>> status();
  // Events until the agent ends, which is Code::kUnavailable; heartbeats are not given on.
  net::Task<Result<>> watch_status(std::function<void(const api::StatusEvent&)> on_event);
  net::Task<Result<std::vector<api::LocalResource>>> resources(std::string filter);
  net::Task<Result<std::vector<api::LocalResource>>> connect(api::ConnectRequest request);
  net::Task<Result<std::vector<api::LocalResource>>> disconnect(api::ConnectRequest request);
  net::Task<Result<>> reload();
  net::Task<Result<>> stop();

 private:
  net::Task<Result<std::string>> call(std::string method, std::string path, std::map<std::string, std::string> query,
                                      std::string body);
  net::Task<Result<std::vector<api::LocalResource>>> change(std::string path, api::ConnectRequest request);

  std::string socket_;
  net::http::Client client_;
};

bool is_agent_away(const Error& error);

}  // namespace portolan::cli
