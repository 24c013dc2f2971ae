#include "client/agent.h"

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "client/account.h"
#include "client/local_api.h"
#include "client/web/proxy.h"
#include "net/event.h"
#include "net/network_watch.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kSettling = std::chrono::seconds(3);

class AgentImpl final : public Agent, public LocalActions, public web::Applications {
 public:
  AgentImpl(net::Loop& loop, AgentOptions options)
      : executor_(loop.executor()),
        options_(std::move(options)),
        changes_(executor_),
        stop_requested_(executor_),
        tasks_(executor_) {}

  Result<> begin();
  net::Task<> stop() override;
  net::Task<> stop_requested() override;

  api::AgentStatus status() const override;
  net::Task<Result<std::vector<api::LocalResource>>> connect(api::ConnectRequest request) override;
  net::Task<Result<std::vector<api::LocalResource>>> disconnect(api::ConnectRequest request) override;
  net::Task<Result<std::vector<api::LocalResource>>> resources() override;
  void reload() override {
    reload_again_ = true;
    if (!std::exchange(reloading_, true)) tasks_.spawn("reload", reload_now());
  }
  std::shared_ptr<const web::Names> names() const override { return account_ ? account_->names() : nullptr; }
  Result<> usable(const std::string& name) const override;
  void carry(const std::string& name, std::unique_ptr<net::Stream> requests, net::CallBack over) override;
  std::vector<api::AgentResource> web_resources() const override {
    return account_ ? account_->web_resources() : std::vector<api::AgentResource>();
  }
  void request_stop() override {
    wants_stop_ = true;
    stop_requested_.set();
  }

 private:
  Result<> load_account();
  api::LocalPort web_port() const;
  net::Task<> reload_now();
  static net::Task<> stop_account(std::unique_ptr<SignedInAccount> account, Error why);

  net::Executor executor_;
  AgentOptions options_;
  Changes changes_;
  std::unique_ptr<LocalApi> local_;
  std::unique_ptr<web::Proxy> web_;  // outlives the sessions of account_, whose requests it judges
  std::optional<net::NetworkWatch> network_;
  std::unique_ptr<SignedInAccount> account_;
  std::optional<std::string> not_signed_in_;
  bool wants_stop_ = false;
  bool reloading_ = false;
  bool reload_again_ = false;
  net::Event stop_requested_;
  net::TaskGroup tasks_;
};

Result<> AgentImpl::begin() {
  PL_CHECK(make_folder(options_.home.folder(), Privacy::kPrivate));
  auto local = LocalApi::start(executor_, options_.home, options_.status, *this, changes_);
  if (!local && local.error().code == Code::kConflict)
    return std::unexpected(std::move(local).error().within("start the agent"));
  if (!local) return std::unexpected(std::move(local).error());
  local_ = std::move(*local);
  PL_CHECK(write_file(options_.home.folder() / "agent.pid", std::to_string(getpid()) + "\n", Privacy::kPublic));
  if (options_.web) {
    web_ = std::make_unique<web::Proxy>(
        executor_,
        web::ProxyOptions{.at = *options_.web, .allowed_users = options_.allowed_users, .home = options_.home}, *this,
        changes_);
    web_->start();
  }
  if (auto loaded = load_account(); !loaded) log::info("nobody is signed in", {{"why", loaded.error()}});
  network_.emplace(executor_, [this](net::NetworkChange what) {
    if (account_) account_->network_changed(what);
  });
  return {};
}

Result<> AgentImpl::load_account() {
  auto credentials = options_.home.credentials();
  if (!credentials) {
    not_signed_in_ = credentials.error().message;
    return std::unexpected(std::move(credentials).error());
  }
  PL_TRY(account_,
         SignedInAccount::make(executor_, options_, std::move(*credentials), changes_, [this] { return web_port(); }));
  not_signed_in_.reset();
  return {};
}

api::LocalPort AgentImpl::web_port() const {
  if (web_) return web_->port();
  return {"", "failed", "there is none, since it was started with --web-proxy none", {}};
}

Result<> AgentImpl::usable(const std::string& name) const {
  if (!account_)
    return fail(Code::kUnauthenticated, "nobody is signed in here; run: portolan login ADDRESS", "not_signed_in");
  return account_->usable(name);
}

void AgentImpl::carry(const std::string& name, std::unique_ptr<net::Stream> requests, net::CallBack over) {
  if (account_) return account_->carry_web(name, std::move(requests), std::move(over));
  over(fail(Code::kUnauthenticated, "nobody is signed in here", "not_signed_in"));
}

// One at a time: what is asked for meanwhile is done afterwards, once. The next account needs the ports of the one
// before it.
net::Task<> AgentImpl::reload_now() {
  while (std::exchange(reload_again_, false)) {
    const bool goes_on = options_.home.credentials().has_value();
    const Error why = goes_on ? Error{Code::kUnavailable, "somebody has signed in anew on this machine",
                                      "signed_in_anew", Hop::kAgent}
                              : Error{Code::kUnauthenticated,
                                      "nobody is signed in on this machine any more; run: "
                                      "portolan login",
                                      "signed_out", Hop::kAgent};
    if (account_) co_await stop_account(std::move(account_), why);
    if (auto loaded = load_account(); !loaded) log::info("nobody is signed in", {{"why", loaded.error()}});
    changes_.note();
  }
  reloading_ = false;
}

net::Task<> AgentImpl::stop_account(std::unique_ptr<SignedInAccount> account, Error why) {
  co_await account->stop(std::move(why));
}

api::AgentStatus AgentImpl::status() const {
  api::AgentStatus status;
  status.version = PORTOLAN_VERSION;
  status.pid = getpid();
  status.control_state = "signed-out";
  status.control_reason = not_signed_in_;
  if (account_) account_->fill(status);
  if (local_) status.status_port = local_->port();
  if (web_) status.web_proxy = web_->port();
  return status;
}

net::Task<Result<std::vector<api::LocalResource>>> AgentImpl::connect(api::ConnectRequest request) {
  if (!account_)
    co_return fail(Code::kUnauthenticated, "nobody is signed in here; run: portolan login ADDRESS", "not_signed_in");
  auto done = co_await account_->connect(std::move(request));
  co_return done;
}

net::Task<Result<std::vector<api::LocalResource>>> AgentImpl::disconnect(api::ConnectRequest request) {
  if (!account_)
    co_return fail(Code::kUnauthenticated, "nobody is signed in here; run: portolan login ADDRESS", "not_signed_in");
  auto done = co_await account_->disconnect(std::move(request));
  co_return done;
}

net::Task<> AgentImpl::stop_requested() {
  while (!wants_stop_) {
    const auto waited = co_await stop_requested_.wait(std::chrono::hours(24));
    if (!waited && waited.error().code == Code::kCancelled) co_return;
  }
}

// Right after a sign-in the control plane has not said yet what there is: worth a moment.
net::Task<Result<std::vector<api::LocalResource>>> AgentImpl::resources() {
  const auto until = Clock::real().boot() + kSettling;
  while (reloading_ && Clock::real().boot() < until) {
    CO_CHECK(co_await net::sleep_for(std::chrono::milliseconds(20)));
  }
  if (!account_)
    co_return fail(Code::kUnauthenticated, "nobody is signed in here; run: portolan login ADDRESS", "not_signed_in");
  co_await account_->settled(kSettling);
  if (!account_) co_return fail(Code::kUnavailable, "the sign-in has just changed; try again");
  if (const auto& ended = account_->ended()) co_return std::unexpected(*ended);
  co_return account_->resources();
}

net::Task<> AgentImpl::stop() {
  network_.reset();
  if (web_) web_->release();
  tasks_.cancel();
  co_await tasks_.join();
  if (account_)
    co_await stop_account(std::move(account_),
                          {Code::kUnavailable, "the agent on this machine is stopping", "agent_stopping", Hop::kAgent});
  if (web_) co_await web_->stop();
  if (local_) co_await local_->stop();
  std::error_code ignored;
  std::filesystem::remove(options_.home.folder() / "agent.pid", ignored);
}

}  // namespace

net::Task<Result<std::unique_ptr<Agent>>> Agent::start(net::Loop& loop, AgentOptions options) {
  auto agent = std::make_unique<AgentImpl>(loop, std::move(options));
  if (auto begun = agent->begin(); !begun) {
    co_await agent->stop();
    co_return std::unexpected(std::move(begun).error());
  }
  co_return agent;
}

}  // namespace portolan::client
