#include "client/local_api.h"

#include <unistd.h>

#include "api/admin.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"

namespace portolan::client {
namespace {

constexpr std::size_t kConnections = 64;

Result<Secret> token_of(const Home& home) {
  if (auto kept = read_private_file(home.agent_token())) return Secret(std::move(*kept));
  Secret token(make_token());
  PL_CHECK(write_file(home.agent_token(), token.reveal(), Privacy::kPrivate));
  return token;
}

std::string page(std::vector<api::LocalResource> items) {
  return json::encode(api::Page<api::LocalResource>{std::move(items), std::nullopt});
}

bool matches(const api::LocalResource& resource, const std::string& filter) {
  return resource.name.find(filter) != std::string::npos || resource.type.find(filter) != std::string::npos;
}

}  // namespace

LocalApi::LocalApi(const net::Executor& executor, Secret token, LocalActions& actions)
    : token_(std::move(token)), actions_(actions), tasks_(executor) {
  options_.limits.body_bytes = 64 * 1024;
  options_.hosts = {"localhost", "127.0.0.1", "::1", "agent"};
  add_routes();
}

// A caller on the socket is this user (or root) by the kernel's word; on the port it shows the token. Browsers send
// Origin with what can change something, and nobody else does.
Result<> LocalApi::allow(const net::http::Call& call) const {
  if (!call.request.header("origin").empty()) return fail(Code::kDenied, "web pages may not use the agent's API");
  if (call.connection->user) {
    if (*call.connection->user == geteuid() || *call.connection->user == 0) return {};
    return fail(Code::kDenied, "this agent belongs to another user of this machine");
  }
  const std::string_view authorization = call.request.header("authorization");
  if (authorization.starts_with("Bearer ") &&
      equal_in_constant_time(as_bytes(authorization.substr(7)), as_bytes(token_.reveal())))
    return {};
  return fail(Code::kUnauthenticated, "the agent's API wants the token from its agent.token file");
}

net::http::Handler LocalApi::guarded(std::function<net::Task<Result<std::string>>(const net::http::Call&)> action) {
  return [this, action = std::move(action)](net::http::Call call) -> net::Task<net::http::Response> {
    if (auto allowed = allow(call); !allowed) co_return net::http::problem(std::move(allowed).error().at(Hop::kAgent));
    auto body = co_await action(call);
    if (!body) co_return net::http::problem(std::move(body).error().at(Hop::kAgent));
    co_return net::http::json_response(200, std::move(*body));
  };
}

void LocalApi::add_routes() {
  using net::http::Call;
  router_.add("GET", "/v1/status", guarded([this](const Call&) -> net::Task<Result<std::string>> {
                co_return json::encode(actions_.status());
              }));
  router_.add("GET", "/v1/resources", guarded([this](const Call& call) -> net::Task<Result<std::string>> {
                auto resources = actions_.status().resources;
                if (const auto filter = call.request.parameter("filter"))
                  std::erase_if(resources, [&](const auto& resource) { return !matches(resource, *filter); });
                co_return page(std::move(resources));
              }));
  router_.add("POST", "/v1/connect", guarded([this](const Call& call) -> net::Task<Result<std::string>> {
                CO_TRY(auto request, json::decode<api::ConnectRequest>(call.request.body, json::Unknown::kRefuse));
                CO_TRY(auto connected, co_await actions_.connect(std::move(request)));
                co_return page(std::move(connected));
              }));
  router_.add("POST", "/v1/disconnect", guarded([this](const Call& call) -> net::Task<Result<std::string>> {
                CO_TRY(auto request, json::decode<api::ConnectRequest>(call.request.body, json::Unknown::kRefuse));
                CO_TRY(auto disconnected, co_await actions_.disconnect(std::move(request)));
                co_return page(std::move(disconnected));
              }));
  router_.add("POST", "/v1/reload", guarded([this](const Call&) -> net::Task<Result<std::string>> {
                actions_.reload();
                co_return "{}";
              }));
  router_.add("POST", "/v1/stop", guarded([this](const Call&) -> net::Task<Result<std::string>> {
                actions_.request_stop();
                co_return "{}";
              }));
}

void LocalApi::serve(std::unique_ptr<net::Stream> stream, net::http::Connection connection) {
  if (tasks_.size() >= kConnections) return;
  tasks_.spawn("local-api", net::http::serve_connection(std::move(stream), std::move(connection), router_, options_));
}

Result<std::unique_ptr<LocalApi>> LocalApi::start(const net::Executor& executor, const Home& home,
                                                  std::optional<net::Endpoint> port, LocalActions& actions) {
  PL_TRY(auto token, token_of(home));
  std::unique_ptr<LocalApi> made(new LocalApi(executor, std::move(token), actions));
  LocalApi& local = *made;
  PL_TRY(auto socket,
         net::listen_unix(executor, home.socket().string(), [&local](std::unique_ptr<net::Stream> stream, uid_t user) {
           local.serve(std::move(stream), {.peer = "local", .user = user});
         }));
  local.listeners_.push_back(std::move(socket));
  if (port) {
    auto listener = net::listen_tcp(executor, *port, [&local](std::unique_ptr<net::TcpStream> stream) {
      local.serve(std::move(stream), {.peer = "loopback"});
    });
    // The command line uses the socket: somebody else's agent on the port (another user of this machine) stops nobody.
    if (!listener) {
      const std::string holder = net::describe_port_holder(port->port);
      log::warn("no status port; give another with --status", {{"why", listener.error()}, {"holder", holder}});
      return made;
    }
    local.listeners_.push_back(std::move(*listener));
  }
  return made;
}

net::Task<> LocalApi::stop() {
  listeners_.clear();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::client
