#include "client/account.h"

#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "client/clocks.h"
#include "net/backoff.h"
#include "net/wait.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kRetryPorts = std::chrono::seconds(2);
constexpr int kTurnsToLook = 5;
constexpr std::chrono::milliseconds kFollowAtLeast = std::chrono::seconds(1);

// Why sessions end that could go on elsewhere, or again.
Error of_this_machine(std::string message, std::string reason) {
  return {Code::kUnavailable, std::move(message), std::move(reason), Hop::kAgent};
}

constexpr std::string_view kSuspended = "account_suspended";

// Whether a watch was refused for who we are: not by a control plane that is away.
bool refuses_us(const Error& why) {
  return why.code == Code::kUnauthenticated || (why.code == Code::kDenied && why.reason == kSuspended);
}

// Why nothing can be used any more, and what to do.
Error end_of_sign_in(std::string what, std::string_view code) {
  what.resize(std::min(what.find(';'), what.size()));
  if (code == kSuspended) return {Code::kDenied, what + "; ask an admin", std::string(code), Hop::kAgent};
  return {Code::kUnauthenticated, what + "; run: portolan login", "sign_in_ended", Hop::kAgent};
}

Error no_longer_usable(const std::string& name) {
  return {Code::kDenied, "you may no longer use " + quoted(name) + "; ask an admin for access", "no_grant",
          Hop::kAgent};
}

Error disconnected(const std::string& name) {
  return of_this_machine(quoted(name) + " was disconnected on this machine; run: portolan connect " + name,
                         "disconnected");
}

}  // namespace

Result<std::unique_ptr<SignedInAccount>> SignedInAccount::make(const net::Executor& executor,
                                                               const AgentOptions& options, Credentials credentials,
                                                               Changes& changes,
                                                               std::function<api::LocalPort()> web_proxy) {
  PL_TRY(auto address, control_address(credentials));
  PL_TRY(auto control, api::ControlClient::make(std::move(address)));
  std::unique_ptr<SignedInAccount> account(new SignedInAccount(executor, options, std::move(credentials),
                                                               std::move(control), changes, std::move(web_proxy)));
  account->load_routes();
  account->renewal_ =
      std::make_unique<Renewal>(executor, Renewal::Parts{options.home, account->credentials_, *account->control_,
                                                         Clock::real(), [self = account.get()] { self->renewed(); }});
  account->following_.spawn("follow-control-plane", account->follow(account->newest_watch_));
  account->tasks_.spawn("retry-ports", account->retry_failed());
  return account;
}

SignedInAccount::SignedInAccount(const net::Executor& executor, const AgentOptions& options, Credentials credentials,
                                 std::unique_ptr<api::ControlClient> control, Changes& changes,
                                 std::function<api::LocalPort()> web_proxy)
    : options_(options),
      port_options_{options.address, options.allowed_users, options.connections_per_resource, options.first_byte_limit,
                    std::move(web_proxy)},
      credentials_(std::move(credentials)),
      control_(std::move(control)),
      changes_(changes),
      gateways_(executor, credentials_, changes,
                {.memory = options.home.folder() / "ways.json",
                 .ca_file = options.web_ca_file,
                 .plain_retry = options.plain_retry}),
      paths_(executor, credentials_, Clock::real(), gateways_, changes, options.paths),
      settling_(executor),
      following_(executor),
      tasks_(executor) {
  paths_.name_nodes([this](const std::string& id) { return egress_name(id); });
  paths_.on_ending([this](const api::SessionEnding& ending) { note_ending(ending); });
  for (auto& name : options_.home.connected()) connected_.insert(name);
  name_applications();
}

// With what the control plane said last time the agent works while it is away.
void SignedInAccount::load_routes() {
  const auto text = read_file(options_.home.folder() / "routes.json");
  if (!text) return;
  auto view = json::decode<api::AgentView>(*text, json::Unknown::kIgnore);
  if (!view || view->account != credentials_.state.account) return;
  view_ = std::move(*view);
  has_view_ = true;
  apply();
}

// The watch that runs goes on until a newer one, by the new certificate, has begun.
void SignedInAccount::renewed() {
  gateways_.renewed();
  if (!restarting_) following_.spawn("follow-control-plane", follow(++newest_watch_));
}

net::Task<> SignedInAccount::follow(std::uint64_t generation) {
  net::Backoff backoff;
  for (;;) {
    // Ended before it began, by reconnect() or a newer one.
    if (generation != newest_watch_) co_return;
    bool first = true;
    const auto ended = co_await control_->watch(
        "/v1/agent", {{"watch", "1"}, {"trust", credentials_.state.trust_version.value_or("none")}},
        [this, generation, &first](std::string_view line) { return take_line(generation, first, line); });
    if (!ended && ended.error().code == Code::kCancelled) co_return;
    if (generation != newest_watch_) co_return;
    if (!first) backoff.reset();
    control_down_ = ended ? "the control plane ended the watch" : ended.error().message;
    // A certificate that has ended while the machine slept is renewed by the sign-in's token.
    const bool slept_long = Clock::real().wall() >= credentials_.certificate.not_after();
    const bool refused = !ended && refuses_us(ended.error()) && !slept_long;
    std::optional<std::string> clocks;
    if (refused && ended.error().reason == net::kCertificateRefused) {
      if (auto address = control_address(credentials_))
        clocks = co_await ask_for_clocks(std::move(*address), credentials_.certificate);
      const bool cancelled = co_await net::cancelled();
      if (cancelled || generation != newest_watch_) co_return;
    }
    if (clocks)
      control_down_ = std::move(*clocks);
    else if (refused)
      ended_ = end_of_sign_in(ended.error().code == Code::kDenied ? ended.error().message : "the sign-in has ended",
                              ended.error().reason);
    log::warn("control plane is away", {{"why", *control_down_}});
    if (ended_) apply();
    settled_ = true;
    settling_.set();
    changes_.note();
    const auto slept = co_await net::sleep_for(backoff.next());
    if (!slept) co_return;
  }
}

Result<> SignedInAccount::take_line(std::uint64_t generation, bool& first, std::string_view line) {
  if (generation < talking_watch_) return fail(Code::kEof, "a newer watch has begun");
  talking_watch_ = generation;
  PL_TRY(auto event, json::decode<api::AgentEvent>(line, json::Unknown::kIgnore));
  first = false;
  if (control_down_) log::info("control plane is there");
  if (std::exchange(control_down_, std::nullopt)) changes_.note();
  if (event.kind == "trust" && event.trust) renewal_->take(*event.trust);
  if (event.kind == "end") {
    if (generation != newest_watch_) return {};  // of the certificate that has been replaced
    ended_ = end_of_sign_in(event.reason.value_or("the sign-in has ended"), event.code.value_or(""));
    apply();
    return {};
  }
  if (event.kind != "view" || !event.view) return {};
  ended_.reset();
  view_ = std::move(*event.view);
  has_view_ = true;
  settled_ = true;
  settling_.set();
  if (auto kept = write_file(options_.home.folder() / "routes.json", json::encode(view_), Privacy::kPrivate); !kept)
    log::warn("cannot keep the routes", {{"why", kept.error()}});
  apply();
  return {};
}

// A resource that was made anew, with the name or the port of one that is gone, takes its place.
void SignedInAccount::drop_replaced(const std::set<std::string>& usable) {
  const auto replaces = [](const ResourcePort& gone) {
    return [&gone](const api::AgentResource& resource) {
      const bool same_port = resource.port == gone.resource().port && !gone.is_web() && !web::is_web(resource);
      return resource.name == gone.resource().name || same_port;
    };
  };
  for (auto port = ports_.begin(); port != ports_.end();) {
    if (usable.contains(port->first) || std::ranges::none_of(view_.resources, replaces(*port->second))) {
      ++port;
      continue;
    }
    port = drop(port, of_this_machine("another resource has taken the place of this one", "resource_replaced"));
  }
}

void SignedInAccount::apply() {
  changes_.note();
  auto gateways = view_.gateways;
  for (auto& bridge : Clusters::bridges(view_)) gateways.push_back(std::move(bridge));
  gateways_.follow(gateways);
  paths_.know_ways(view_.egresses);
  paths_.know_clusters(view_);
  std::set<std::string> usable;
  for (const api::AgentResource& resource : view_.resources) {
    usable.insert(resource.id);
    offered_.insert(resource.name);
  }
  drop_replaced(usable);
  for (const api::AgentResource& resource : view_.resources) apply(resource);
  // What may no longer be used keeps its port for a while, so that a person reads why instead of "connection refused".
  // Its sessions are ended by the egress, which says why in their own protocol.
  for (auto& [id, port] : ports_)
    if (!usable.contains(id)) port->turn_away(ended_ ? *ended_ : no_longer_usable(port->resource().name));
  name_applications();
}

void SignedInAccount::apply(const api::AgentResource& resource) {
  // Each once: a person may disconnect it later.
  if (options_.connect_all && seen_.insert(resource.id).second) connected_.insert(resource.name);
  auto port = ports_.find(resource.id);
  const bool wanted = connected_.contains(resource.name);
  const bool moved =
      port != ports_.end() && (port->second->resource().type != resource.type ||
                               (port->second->resource().port != resource.port && !web::is_web(resource)));
  if (port != ports_.end() && (!wanted || moved)) {
    drop(port, wanted ? of_this_machine("the resource was changed; connect to its port anew", "resource_changed")
                      : disconnected(resource.name));
    port = ports_.end();
  }
  if (!wanted) return;
  if (port == ports_.end()) {
    port = ports_
               .emplace(resource.id, std::make_unique<ResourcePort>(tasks_.executor(), resource, port_options_, paths_,
                                                                    changes_, endings_))
               .first;
  }
  port->second->update(resource);
  port->second->turn_away(ended_);
  if (auto listening = port->second->listen(); !listening)
    log::error("cannot listen for a resource", {{"resource", resource.name}, {"why", listening.error()}});
}

void SignedInAccount::name_applications() {
  names_ = std::make_shared<const web::Names>(view_.resources, connected_, offered_);
}

std::vector<api::AgentResource> SignedInAccount::web_resources() const {
  std::vector<api::AgentResource> list = view_.resources;
  std::erase_if(list, [](const api::AgentResource& resource) { return !web::is_web(resource); });
  return list;
}

ResourcePort* SignedInAccount::port_named(const std::string& name) const {
  for (const auto& [id, port] : ports_)
    if (port->resource().name == name) return port.get();
  return nullptr;
}

Result<> SignedInAccount::usable(const std::string& web_resource) const {
  if (ended_) return std::unexpected(*ended_);
  if (port_named(web_resource)) return {};
  return std::unexpected(
      Error{Code::kUnavailable,
            quoted(web_resource) + " is not connected on this machine; run: portolan connect " + web_resource,
            "not_connected", Hop::kAgent});
}

void SignedInAccount::carry_web(const std::string& web_resource, std::unique_ptr<net::Stream> requests,
                                net::CallBack over) {
  if (ResourcePort* port = port_named(web_resource)) return port->carry_web(std::move(requests), std::move(over));
  over(fail(Code::kUnavailable, "the resource was disconnected"));
}

// A port that somebody else held may have become free.
net::Task<> SignedInAccount::retry_failed() {
  for (int turn = 0;; ++turn) {
    if (turn % kTurnsToLook == 0) look_for_holders();
    const auto slept = co_await net::sleep_for(kRetryPorts);
    if (!slept) co_return;
    for (auto& [id, port] : ports_)
      if (auto listening = port->listen(); !listening)
        log::debug("port still taken", {{"resource", port->resource().name}});
  }
}

// A port of ours that somebody else listens on: that we cannot have it is one thing, who gets what people send to it
// another; so ports that are not connected count, too.
void SignedInAccount::look_for_holders() {
  std::map<std::string, api::LocalHolder> found;
  for (const api::AgentResource& resource : view_.resources) {
    if (web::is_web(resource)) continue;
    const auto port = ports_.find(resource.id);
    if (port != ports_.end() && port->second->listening()) continue;
    const auto holder = net::find_port_holder({options_.address, resource.port});
    // Our own listener of a moment ago is nobody else.
    if (holder && holder->pid != getpid()) found[resource.id] = to_local(*holder);
  }
  for (const auto& [id, holder] : found)
    if (holder.foreign && !holders_.contains(id))
      log::warn("a port of ours is held by another user", {{"resource", id}, {"user", holder.user}});
  holders_ = std::move(found);
  changes_.note();
}

void SignedInAccount::note_ending(const api::SessionEnding& ending) {
  const auto resource = std::ranges::find(view_.resources, ending.resource, &api::AgentResource::id);
  const auto port = ports_.find(ending.resource);
  const std::string name = resource != view_.resources.end() ? resource->name
                           : port != ports_.end()            ? port->second->resource().name
                                                             : ending.resource;
  endings_.add({Clock::real().wall(), name, ending.code, ending.reason, ending.trace}, Endings::Source::kEgress);
  changes_.note();
}

void SignedInAccount::network_changed(net::NetworkChange what) {
  log::info(what == net::NetworkChange::kSleep ? "this machine has slept; trying all links"
                                               : "the network has changed; trying all links");
  reconnect_again_ = true;
  if (!std::exchange(reconnecting_, true)) tasks_.spawn("reconnect", reconnect());
}

// The watch of the control plane cannot be asked whether it lives, so it is made anew; what it said stays meanwhile.
net::Task<> SignedInAccount::reconnect() {
  while (std::exchange(reconnect_again_, false)) {
    gateways_.probe();
    paths_.probe();
    // A network that changes all the time must not end every attempt before it can succeed.
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::real().boot() - followed_);
    if (since < kFollowAtLeast)
      if (const auto slept = co_await net::sleep_for(kFollowAtLeast - since); !slept) co_return;
    restarting_ = true;  // nobody else begins a watch, which join() would wait for
    following_.cancel();
    co_await following_.join();
    restarting_ = false;
    followed_ = Clock::real().boot();
    following_.spawn("follow-control-plane", follow(++newest_watch_));
  }
  reconnecting_ = false;
}

net::Task<> SignedInAccount::settled(std::chrono::milliseconds limit) {
  if (settled_) co_return;
  [[maybe_unused]] const auto waited = co_await settling_.wait(limit);
}

std::string SignedInAccount::egress_name(const std::string& id) const {
  if (view_.egresses)
    for (const api::AgentEgress& egress : *view_.egresses)
      if (egress.id == id) return egress.name;
  return gateways_.name_of(id);
}

api::LocalResource SignedInAccount::describe(const api::AgentResource& resource) const {
  api::LocalResource described = describe_unconnected(resource, port_options_);
  if (const auto port = ports_.find(resource.id); port != ports_.end()) described = port->second->status();
  if (const auto holder = holders_.find(resource.id); holder != holders_.end() && described.state != "connected")
    described.held_by = holder->second;
  const bool behind_address = std::ranges::any_of(resource.egress, [](const auto& id) { return is_id(id, "c"); });
  if (auto no_way = behind_address ? std::nullopt : gateways_.no_way_to(resource.egress)) {
    described.health = "unreachable";
    described.health_reason = std::move(no_way);
    return described;
  }
  // What a control plane that is away said last may long be wrong.
  if (!resource.health || control_down_) return described;
  described.health = resource.health->state;
  described.health_reason = resource.health->reason;
  return described;
}

std::vector<api::LocalResource> SignedInAccount::resources() const {
  std::vector<api::LocalResource> list;
  std::set<std::string> listed;
  for (const api::AgentResource& resource : view_.resources) {
    list.push_back(describe(resource));
    listed.insert(resource.id);
  }
  for (const auto& [id, port] : ports_)
    if (!listed.contains(id)) list.push_back(port->status());
  std::ranges::sort(list, {}, &api::LocalResource::name);
  return list;
}

Result<std::vector<std::string>> SignedInAccount::named(const api::ConnectRequest& request) const {
  std::vector<std::string> names;
  for (const api::LocalResource& resource : resources())
    if (request.all || std::ranges::find(request.names, resource.name) != request.names.end())
      names.push_back(resource.name);
  for (const std::string& name : request.names) {
    if (std::ranges::find(names, name) != names.end()) continue;
    if (offered_.contains(name)) return std::unexpected(no_longer_usable(name));
    return std::unexpected(Error{Code::kNotFound,
                                 "there is no resource " + quoted(name) + " that you may use; see: portolan ls",
                                 "unknown_resource", Hop::kAgent});
  }
  return names;
}

std::vector<api::LocalResource> SignedInAccount::described(const std::vector<std::string>& names) const {
  std::vector<api::LocalResource> list = resources();
  std::erase_if(
      list, [&](const api::LocalResource& resource) { return std::ranges::find(names, resource.name) == names.end(); });
  return list;
}

Result<> SignedInAccount::save_connected() const {
  return options_.home.save_connected(std::vector<std::string>(connected_.begin(), connected_.end()));
}

net::Task<Result<std::vector<api::LocalResource>>> SignedInAccount::connect(api::ConnectRequest request) {
  if (ended_) co_return std::unexpected(*ended_);
  CO_TRY(auto names, named(request));
  for (const auto& [id, port] : ports_) {
    const auto taken = std::ranges::find(names, port->resource().name);
    if (taken == names.end() || !port->turned_away()) continue;
    if (!request.all) co_return std::unexpected(*port->turned_away());
    names.erase(taken);
  }
  connected_.insert(names.begin(), names.end());
  CO_CHECK(save_connected());
  apply();
  look_for_holders();
  co_return described(names);
}

net::Task<Result<std::vector<api::LocalResource>>> SignedInAccount::disconnect(api::ConnectRequest request) {
  CO_TRY(const auto names, named(request));
  for (const std::string& name : names) connected_.erase(name);
  CO_CHECK(save_connected());
  for (auto port = ports_.begin(); port != ports_.end();) {
    if (std::ranges::find(names, port->second->resource().name) == names.end()) {
      ++port;
      continue;
    }
    port = drop(port, disconnected(port->second->resource().name));
  }
  name_applications();
  co_return described(names);
}

void SignedInAccount::fill(api::AgentStatus& status) const {
  status.signed_in = !ended_;
  status.email = credentials_.state.email;
  status.organization = credentials_.state.organization;
  status.sign_in_ends = credentials_.state.sign_in_ends;
  status.control = credentials_.state.control;
  status.control_state = ended_ ? "signed-out" : control_down_ ? "down" : "up";
  status.control_reason = ended_ ? std::optional(ended_->message) : control_down_;
  status.gateways = gateways_.status();
  status.paths = paths_.status();
  for (api::LocalPath& path : status.paths) path.egress_name = egress_name(path.egress);
  status.endings = endings_.list();
  status.resources = resources();
}

SignedInAccount::PortAt SignedInAccount::drop(PortAt port, const Error& why) {
  port->second->end(why);
  const auto stopping = [](std::unique_ptr<ResourcePort> ended) -> net::Task<> { co_await ended->stop(); };
  tasks_.spawn("drop-port", stopping(std::move(port->second)));
  return ports_.erase(port);
}

net::Task<> SignedInAccount::stop(Error why) {
  co_await renewal_->stop();
  tasks_.cancel();  // first: what the control plane says meanwhile would change the ports
  co_await tasks_.join();
  following_.cancel();
  co_await following_.join();
  for (auto& [id, port] : ports_) port->end(why);  // all at once: each takes a moment
  for (auto& [id, port] : ports_) co_await port->stop();
  ports_.clear();
  co_await paths_.stop();
  co_await gateways_.stop();
}

}  // namespace portolan::client
