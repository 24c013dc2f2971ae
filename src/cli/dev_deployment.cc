#include "cli/dev_deployment.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "cli/agent_api.h"
#include "cli/agent_part.h"
#include "cli/control_api.h"
#include "cli/node_part.h"
#include "cli/server_part.h"
#include "client/sign_in.h"
#include "net/http/client.h"

namespace portolan::cli {
namespace {

constexpr const char* kOrganization = "dev";
constexpr std::chrono::milliseconds kUsableLimit = std::chrono::seconds(45);
constexpr std::chrono::milliseconds kAskLimit = std::chrono::seconds(3);
// A deployment for trying things out shall not sign its one person out overnight.
constexpr std::chrono::milliseconds kSignInLife = std::chrono::days(30);

net::Endpoint local(std::uint16_t port) { return {"127.0.0.1", port}; }

Result<Secret> keep_password(const std::filesystem::path& path) {
  auto kept = read_private_file(path);
  if (kept) return Secret(std::move(*kept));
  if (kept.error().code != Code::kNotFound) return std::unexpected(std::move(kept).error());
  Secret made(make_token(15));
  PL_CHECK(write_file(path, made.reveal(), Privacy::kPrivate));
  return made;
}

net::Task<Result<std::unique_ptr<net::Stream>>> dial(net::Endpoint to) {
  CO_TRY(auto stream, co_await net::dial_tcp(to, kAskLimit));
  co_return std::unique_ptr<net::Stream>(std::move(stream));
}

// GET on a node's health port: 200, or why not.
net::Task<Result<>> ask_health(net::Endpoint at, std::string path) {
  net::http::Client client([at] { return dial(at); }, net::to_text(at));
  net::http::Request request;
  request.path = path;
  CO_TRY(const auto response, co_await client.request(std::move(request), kAskLimit));
  if (response.status == 200) co_return Result<>{};
  co_return fail(Code::kUnavailable, "answers " + path + " with " + std::to_string(response.status));
}

net::Task<Result<>> ask_control_plane(net::Endpoint at, std::filesystem::path ca_file) {
  CO_TRY(const auto pem, read_file(ca_file));
  CO_TRY(const auto ca, crypto::Certificate::from_pem(pem));
  CO_CHECK(co_await api::fetch_trust(at, ca.fingerprint()));
  co_return Result<>{};
}

net::Task<Result<>> ask_agent(client::Home home) {
  AgentApi agent(home);
  CO_CHECK(co_await agent.status());
  co_return Result<>{};
}

std::string with_reason(std::string what, const std::optional<std::string>& reason) {
  return reason && !reason->empty() ? what + " (" + *reason + ")" : what;
}

}  // namespace

DevDeployment::DevDeployment(const net::Executor& executor, DevOptions options,
                             std::function<void(const std::string&)> say)
    : executor_(executor),
      options_(std::move(options)),
      say_(std::move(say)),
      nodes_(dev_nodes(options_.gateways, options_.relays)),
      home_(options_.data / "home"),
      parts_(options_.separate ? make_dev_processes(executor, options_.log_arguments, [this] { on_change(); })
                               : make_dev_threads(executor)) {}

void DevDeployment::on_change() {
  if (!is_ready_) return;
  ready_.processes = parts_->processes();
  if (!options_.ready_file) return;
  if (auto written = write_ready_file(*options_.ready_file, ready_); !written)
    log::error("cannot write", {{"why", written.error()}});
}

Result<> DevDeployment::prepare_folder() {
  PL_CHECK(make_folder(options_.data, Privacy::kPrivate));
  std::error_code ignored;
  if (options_.ready_file) std::filesystem::remove(*options_.ready_file, ignored);
  std::filesystem::remove(options_.data / "ca.pem", ignored);
  PL_TRY(ready_.password, keep_password(options_.data / "admin.password"));
  PL_CHECK(write_file(options_.data / "port-base", std::to_string(options_.ports.base) + "\n", Privacy::kPublic));
  ready_.admin_url = fmt::format("https://127.0.0.1:{}/", options_.ports.control());
  ready_.email = options_.email;
  ready_.ca_file = (options_.data / "ca.pem").string();
  ready_.home = home_.folder().string();
  return {};
}

DevPart DevDeployment::control_part() const {
  const net::Endpoint listen = local(options_.ports.control());
  control::ServerOptions server;
  server.data = options_.data / "server";
  server.listen = listen;
  server.sealing = control::SealingFile{options_.data / "dev.key"};
  server.key_beside_data = control::KeyBesideData::kAllow;
  server.organization = kOrganization;
  server.sign_in_life = kSignInLife;
  std::vector<std::string> lives;
  if (const auto life = options_.certificate_life) {
    server.certificate_life = server.node_life = server.server_life = *life;
    for (const char* of : {"--certificate-life", "--node-life", "--server-life"})
      lives.insert(lives.end(), {of, format_duration(*life)});
  }
  ServerPartOptions part{server, FirstAdmin{options_.email, ready_.password}, options_.data / "ca.pem"};
  DevPart control{
      .part = "control-plane",
      .name = "control-plane",
      .address = net::to_text(listen),
      .start = [part](net::Loop& loop) { return ServerPart::start(loop, part); },
      .arguments = {"server", "--data", server.data.string(), "--listen", net::to_text(listen), "--sealing-key-file",
                    (options_.data / "dev.key").string(), "--organization", kOrganization, "--sign-in-life",
                    format_duration(kSignInLife), "--admin-email", options_.email, "--admin-password-file",
                    (options_.data / "admin.password").string(), "--ca-out", ready_.ca_file},
      .environment = {},
      .probe = [listen, ca = std::filesystem::path(ready_.ca_file)] { return ask_control_plane(listen, ca); }};
  control.arguments.insert(control.arguments.end(), lives.begin(), lives.end());
  return control;
}

DevPart DevDeployment::node_part(std::size_t index) const {
  const DevNode& described = nodes_[index];
  node::NodeOptions node;
  node.data = options_.data / described.name;
  node.control = local(options_.ports.control());
  node.name = described.name;
  if (described.kind == "gateway") node.listen = local(options_.ports.gateway(index));
  node.health = local(options_.ports.health(index));
  node.metrics = local(options_.ports.metrics(index));
  node.drain_limit = options_.drain_limit;
  const auto token_file = node.data / "join-token";
  if (auto token = read_private_file(token_file)) node.join_token = Secret(std::move(*token));
  std::vector<std::string> arguments = {"node",
                                        "--data",
                                        node.data.string(),
                                        "--control",
                                        net::to_text(node.control),
                                        "--name",
                                        node.name,
                                        "--health",
                                        net::to_text(*node.health),
                                        "--metrics",
                                        net::to_text(*node.metrics),
                                        "--drain-limit",
                                        format_duration(node.drain_limit),
                                        "--join-token-file",
                                        token_file.string()};
  if (node.listen) arguments.insert(arguments.end(), {"--listen", net::to_text(*node.listen)});
  return {.part = described.kind,
          .name = described.name,
          .address = node.listen ? net::to_text(*node.listen) : "",
          .start = [node](net::Loop& loop) { return NodePart::start(loop, node); },
          .arguments = std::move(arguments),
          .environment = {},
          .probe = [at = *node.health] { return ask_health(at, "/liveness"); }};
}

DevPart DevDeployment::agent_part() const {
  client::AgentOptions agent;
  agent.home = home_;
  agent.status = local(options_.ports.agent_status());
  agent.web = local(options_.ports.web_proxy());
  agent.connect_all = true;
  std::vector<std::string> arguments = {"agent",       "--connect-all",         "--status", net::to_text(*agent.status),
                                        "--web-proxy", net::to_text(*agent.web)};
  if (options_.nested_paths) {
    agent.paths = client::PathKinds::kNestedOnly;
    arguments.emplace_back("--nested-paths");
  }
  return {.part = "agent",
          .name = "agent",
          .address = net::to_text(*agent.status),
          .start = [agent](net::Loop& loop) { return AgentPart::start(loop, agent); },
          .arguments = std::move(arguments),
          .environment = {{"PORTOLAN_HOME", home_.folder().string()}},
          .probe = [home = home_] { return ask_agent(home); }};
}

net::Task<Result<>> DevDeployment::start_control() {
  say_("starting the control plane");
  co_return co_await parts_->start(control_part());
}

net::Task<Result<>> DevDeployment::sign_in() {
  CO_TRY(auto pem, read_file(ready_.ca_file));
  auto state = co_await client::sign_in(home_, local(options_.ports.control()), {std::move(pem), std::nullopt},
                                        options_.email, ready_.password);
  if (!state) co_return std::unexpected(std::move(state).error().within("sign in as " + options_.email));
  account_ = std::move(*state);
  CO_TRY(control_, signed_in_control(home_));
  CO_TRY(ready_.token, co_await make_dev_token(*control_));
  co_return Result<>{};
}

net::Task<Result<>> DevDeployment::start_nodes() {
  CO_CHECK(co_await prepare_nodes(*control_, options_.data, nodes_));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    say_("starting " + nodes_[i].name);
    CO_CHECK(co_await parts_->start(node_part(i)));
  }
  co_return Result<>{};
}

net::Task<Result<>> DevDeployment::start_agent() {
  say_("starting the agent");
  co_return co_await parts_->start(agent_part());
}

net::Task<Result<>> DevDeployment::usable_now() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto answer = co_await ask_health(local(options_.ports.health(i)), "/readiness");
    if (!answer) co_return std::unexpected(std::move(answer).error().within(nodes_[i].name));
  }
  AgentApi agent(home_);
  CO_TRY(const auto status, co_await agent.status());
  if (status.control_state != "up")
    co_return fail(Code::kUnavailable,
                   with_reason("the agent's control plane is " + status.control_state, status.control_reason));
  if (status.gateways.size() < options_.gateways)
    co_return fail(Code::kUnavailable, "the agent does not know all gateways yet");
  for (const auto& gateway : status.gateways)
    if (gateway.state != "linked")
      co_return fail(
          Code::kUnavailable,
          with_reason(fmt::format("the agent's gateway {} is {}", gateway.name, gateway.state), gateway.reason));
  failed_.clear();
  for (DevResource& wanted : ready_.resources) {
    const auto found = std::ranges::find(status.resources, wanted.name, &api::LocalResource::name);
    if (found == status.resources.end())
      co_return fail(Code::kUnavailable, "the agent does not know the resource " + quoted(wanted.name) + " yet");
    if (found->state == "failed") failed_.push_back(with_reason(wanted.name, found->reason));
    if (found->state == "disconnected")
      co_return fail(Code::kUnavailable, "the resource " + quoted(wanted.name) + " is not connected yet");
    if (found->url) wanted.address = *found->url;
  }
  co_return Result<>{};
}

net::Task<Result<>> DevDeployment::wait_until_usable() {
  say_("waiting for the links");
  co_return co_await probe_until([this] { return usable_now(); }, [] { return std::nullopt; }, kUsableLimit);
}

net::Task<Result<>> DevDeployment::bring_up() {
  CO_CHECK(prepare_folder());
  CO_CHECK(co_await start_control());
  CO_CHECK(co_await sign_in());
  CO_TRY(ready_.resources,
         co_await define_resources(*control_, options_.data, account_.account, options_.resources, options_.ports));
  CO_CHECK(co_await start_nodes());
  CO_CHECK(co_await start_agent());
  CO_CHECK(co_await wait_until_usable());
  // A token is spent when its node has joined, which it has by now.
  std::error_code ignored;
  for (const DevNode& node : nodes_) std::filesystem::remove(options_.data / node.name / "join-token", ignored);
  if (options_.separate) ready_.processes = parts_->processes();
  is_ready_ = true;
  if (options_.ready_file) {
    CO_CHECK(write_ready_file(*options_.ready_file, ready_));
  }
  co_return Result<>{};
}

net::Task<> DevDeployment::bring_down() {
  is_ready_ = false;
  std::error_code ignored;
  if (options_.ready_file) std::filesystem::remove(*options_.ready_file, ignored);
  control_.reset();
  co_await parts_->stop();
}

}  // namespace portolan::cli
