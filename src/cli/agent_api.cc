#include "cli/agent_api.h"

#include "base/json.h"
#include "net/tcp.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kDialLimit = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kCallLimit = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kSilence = std::chrono::seconds(15);  // three heartbeats missed
constexpr std::size_t kLineLimit = 16 * 1024 * 1024;
constexpr std::string_view kAway = "agent_not_running";

std::unexpected<Error> away(const std::string& socket) {
  return fail(Code::kUnavailable,
              "the agent is not running (nobody answers at " + socket + "); start it with: portolan agent",
              std::string(kAway));
}

net::Task<Result<std::unique_ptr<net::Stream>>> dial_agent(std::string socket) {
  auto stream = co_await net::dial_unix(socket, kDialLimit);
  if (!stream) co_return away(socket);
  co_return std::move(*stream);
}

}  // namespace

AgentApi::AgentApi(const client::Home& home)
    : socket_(home.socket().string()),
      client_([socket = home.socket().string()] { return dial_agent(socket); }, "agent",
              net::http::Limits{.body_bytes = 16 * 1024 * 1024}) {}

net::Task<Result<std::string>> AgentApi::call(std::string method, std::string path,
                                              std::map<std::string, std::string> query, std::string body) {
  net::http::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.query = std::move(query);
  if (!body.empty()) request.headers["content-type"] = "application/json";
  request.body = std::move(body);
  auto response = co_await client_.request(std::move(request), kCallLimit);
  // Without the words of the layers between, which say nothing more.
  if (!response && is_agent_away(response.error())) co_return away(socket_);
  if (!response) co_return std::unexpected(std::move(response).error());
  if (response->status >= 400) co_return std::unexpected(net::http::error_from(*response).at(Hop::kAgent));
  co_return std::move(response->body);
}

net::Task<Result<api::AgentStatus>> AgentApi::status() {
  CO_TRY(const auto body, co_await call("GET", "/v1/status", {}, ""));
  co_return json::decode<api::AgentStatus>(body, json::Unknown::kIgnore);
}

net::Task<Result<>> AgentApi::watch_status(std::function<void(const api::StatusEvent&)> on_event) {
  net::http::Request request;
  request.path = "/v1/status";
  request.query = {{"watch", "1"}};
  auto lines = co_await client_.open(std::move(request), kCallLimit);
  if (!lines && is_agent_away(lines.error())) co_return away(socket_);
  if (!lines) co_return std::unexpected(std::move(lines).error());
  for (;;) {
    auto line = co_await (*lines)->next(kSilence, kLineLimit);
    if (!line && line.error().code == Code::kCancelled) co_return std::unexpected(std::move(line).error());
    if (!line) co_return fail(Code::kUnavailable, "the agent has ended; start it with: portolan agent");
    if ((*lines)->head().status >= 400) {
      net::http::Response refusal = (*lines)->head();
      refusal.body = std::move(*line);
      co_return std::unexpected(net::http::error_from(refusal).at(Hop::kAgent));
    }
    auto event = json::decode<api::StatusEvent>(*line, json::Unknown::kIgnore);
    // An agent of the release before, which knows no watch, answers with the status itself.
    if (!event)
      co_return fail(Code::kUnavailable, "this agent knows no watch; end it, and start it with: portolan agent");
    if (event->kind != "heartbeat") on_event(*event);
  }
}

net::Task<Result<std::vector<api::LocalResource>>> AgentApi::resources(std::string filter) {
  std::map<std::string, std::string> query;
  if (!filter.empty()) query["filter"] = std::move(filter);
  CO_TRY(const auto body, co_await call("GET", "/v1/resources", std::move(query), ""));
  CO_TRY(auto page, json::decode<api::Page<api::LocalResource>>(body, json::Unknown::kIgnore));
  co_return std::move(page.items);
}

net::Task<Result<std::vector<api::LocalResource>>> AgentApi::change(std::string path, api::ConnectRequest request) {
  CO_TRY(const auto body, co_await call("POST", std::move(path), {}, json::encode(request)));
  CO_TRY(auto page, json::decode<api::Page<api::LocalResource>>(body, json::Unknown::kIgnore));
  co_return std::move(page.items);
}

net::Task<Result<std::vector<api::LocalResource>>> AgentApi::connect(api::ConnectRequest request) {
  return change("/v1/connect", std::move(request));
}

net::Task<Result<std::vector<api::LocalResource>>> AgentApi::disconnect(api::ConnectRequest request) {
  return change("/v1/disconnect", std::move(request));
}

net::Task<Result<>> AgentApi::reload() {
  CO_CHECK(co_await call("POST", "/v1/reload", {}, "{}"));
  co_return Result<>{};
}

net::Task<Result<>> AgentApi::stop() {
  CO_CHECK(co_await call("POST", "/v1/stop", {}, "{}"));
  co_return Result<>{};
}

bool is_agent_away(const Error& error) { return error.reason == kAway; }

}  // namespace portolan::cli
