#include "client/local_api.h"

#include <unistd.h>

#include "api/admin.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "client/ports.h"
#include "client/status_changes.h"

namespace portolan::client {
namespace {

constexpr std::size_t kConnections = 64;
constexpr std::size_t kWatchers = 16;
constexpr std::chrono::milliseconds kHeartbeat = std::chrono::seconds(5);
// What changes together is told together, and a busy agent's watchers are not kept busier than people can read.
constexpr std::chrono::milliseconds kCoalesce = std::chrono::milliseconds(100);
constexpr std::chrono::milliseconds kRetryPort = std::chrono::seconds(2);

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

LocalApi::LocalApi(const net::Executor& executor, Secret token, std::optional<net::Endpoint> port,
                   LocalActions& actions, Changes& changes)
    : token_(std::move(token)), port_(std::move(port)), actions_(actions), changes_(changes), tasks_(executor) {
  options_.limits.body_bytes = 64 * 1024;
  options_.hop = Hop::kAgent;
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
  router_.add_stream("GET", "/v1/status",
                     [this](Call call, net::http::Sink& sink) { return serve_status(std::move(call), sink); });
  router_.add("GET", "/v1/resources", guarded([this](const Call& call) -> net::Task<Result<std::string>> {
                CO_TRY(auto resources, co_await actions_.resources());
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

namespace {

net::Task<Result<>> send_whole(net::http::Sink& sink, net::http::Response response) {
  const std::string body = std::exchange(response.body, {});
  CO_CHECK(co_await sink.begin(std::move(response)));
  auto sent = co_await sink.send(body);
  co_return sent;
}

net::Task<Result<>> send_event(net::http::Sink& sink, api::StatusEvent event) {
  event.time = Clock::real().wall();
  const std::string line = json::encode(event) + "\n";
  auto sent = co_await sink.send(line);
  co_return sent;
}

// As text without what is measured all the time.
std::string without_round_trips(api::AgentStatus status) {
  for (auto& gateway : status.gateways) gateway.round_trip_us.reset();
  return json::encode(status);
}

}  // namespace

net::Task<Result<>> LocalApi::serve_status(net::http::Call call, net::http::Sink& sink) {
  const auto refuse = [](Error error) { return net::http::problem(std::move(error).at(Hop::kAgent)); };
  if (auto allowed = allow(call); !allowed) co_return co_await send_whole(sink, refuse(std::move(allowed).error()));
  const auto wanted = call.request.parameter("watch");
  if (!wanted || *wanted == "0")
    co_return co_await send_whole(sink, net::http::json_response(200, json::encode(actions_.status())));
  if (*wanted != "1") co_return co_await send_whole(sink, refuse({Code::kInvalid, "watch: must be 1 or absent"}));
  if (changes_.watchers() >= kWatchers)
    co_return co_await send_whole(
        sink, refuse({Code::kLimit, "too many watch this agent's status; at most " + std::to_string(kWatchers)}));
  auto watched = co_await watch_status(sink);
  co_return watched;
}

net::Task<Result<>> LocalApi::watch_status(net::http::Sink& sink) {
  Changes::Watcher watcher(changes_);
  net::TaskGroup companions(tasks_.executor());
  companions.spawn("watch closing", Changes::Watcher::note_closing(sink, watcher));
  auto told = actions_.status();
  auto sent = co_await sink.begin({200, {{"content-type", "application/x-ndjson"}, {"cache-control", "no-store"}}, {}});
  if (sent) sent = co_await send_event(sink, {"status", {}, {}, told});
  BootTime last = Clock::real().boot();
  while (sent) {
    const auto silent = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::real().boot() - last);
    const auto changed = co_await watcher.wait(std::max(kHeartbeat - silent, std::chrono::milliseconds(0)));
    if (!changed) break;
    if (*changed) {
      if (const auto slept = co_await net::sleep_for(kCoalesce); !slept) break;
    }
    auto now = actions_.status();
    const bool differs = without_round_trips(now) != without_round_trips(told);
    if (differs) {
      auto changes = changes_between(told, now);
      told = now;
      sent = co_await send_event(sink, {"change", {}, std::move(changes), std::move(now)});
    } else if (Clock::real().boot() - last >= kHeartbeat) {
      sent = co_await send_event(sink, {"heartbeat", {}, {}, {}});
    } else {
      continue;
    }
    last = Clock::real().boot();
  }
  companions.cancel();
  co_await companions.join();
  co_return Result<>{};
}

void LocalApi::serve(std::unique_ptr<net::Stream> stream, net::http::Connection connection) {
  if (tasks_.size() >= kConnections) return;
  tasks_.spawn("local-api", net::http::serve_connection(std::move(stream), std::move(connection), router_, options_));
}

Result<std::unique_ptr<LocalApi>> LocalApi::start(const net::Executor& executor, const Home& home,
                                                  std::optional<net::Endpoint> port, LocalActions& actions,
                                                  Changes& changes) {
  PL_TRY(auto token, token_of(home));
  std::unique_ptr<LocalApi> made(new LocalApi(executor, std::move(token), std::move(port), actions, changes));
  LocalApi& local = *made;
  PL_TRY(local.socket_listener_,
         net::listen_unix(executor, home.socket().string(), [&local](std::unique_ptr<net::Stream> stream, uid_t user) {
           local.serve(std::move(stream), {.peer = "local", .user = user});
         }));
  if (local.port_) {
    local.listen_on_port();
    if (!local.port_listener_)
      log::warn("no status port; give another with --status", {{"why", local.port_state_->reason.value_or("")}});
    local.tasks_.spawn("retry-status-port", local.retry_port());
  }
  return made;
}

// The command line uses the socket: somebody else's agent on the port (another user of this machine) stops nobody.
void LocalApi::listen_on_port() {
  auto listener = net::listen_tcp(tasks_.executor(), *port_, [this](std::unique_ptr<net::TcpStream> stream) {
    serve(std::move(stream), {.peer = "loopback"});
  });
  api::LocalPort state{net::to_text(*port_), "listening", {}, {}};
  if (listener) {
    port_listener_ = std::move(*listener);
    state.address = net::to_text(port_listener_->local());
  } else {
    const auto holder = net::find_port_holder(*port_);
    state.state = "failed";
    state.reason = holder ? "port " + std::to_string(port_->port) + " is held by " + net::to_text(*holder) +
                                "; another can be given with: portolan agent --status"
                          : listener.error().message;
    if (holder) state.held_by = to_local(*holder);
  }
  port_state_ = std::move(state);
  changes_.note();
}

net::Task<> LocalApi::retry_port() {
  while (!port_listener_) {
    const auto slept = co_await net::sleep_for(kRetryPort);
    if (!slept) co_return;
    listen_on_port();
  }
}

std::optional<api::LocalPort> LocalApi::port() const { return port_state_; }

net::Task<> LocalApi::stop() {
  socket_listener_.reset();
  port_listener_.reset();
  tasks_.cancel();
  co_await tasks_.join();
}

}  // namespace portolan::client
