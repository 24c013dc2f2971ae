#include "client/paths.h"

#include <algorithm>

#include "api/assertion.h"
#include "base/log.h"
#include "client/paths_limits.h"
#include "net/wait.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kFarewell = std::chrono::milliseconds(500);
// For so long another egress node is tried before one that no link could be made to.
constexpr std::chrono::milliseconds kSpared = std::chrono::seconds(15);

}  // namespace

Paths::Paths(const net::Executor& executor, const Credentials& credentials, const Clock& clock, Gateways& gateways,
             Changes& changes, PathKinds kinds)
    : credentials_(credentials),
      clock_(clock),
      gateways_(gateways),
      ways_(gateways, clock, kinds),
      choice_(clock),
      changes_(changes),
      tasks_(executor) {
  gateways_.on_leaving([this](const std::string& id) { move_from(id); });
  gateways_.on_plain_way([this](const std::string& id) { move_to_plain(id); });
  tasks_.spawn("renew-links", keep_fresh());
}

Paths::Path& Paths::path_to(const std::string& egress) {
  auto& path = paths_[egress];
  if (!path) path = std::make_unique<Path>(clock_);
  return *path;
}

std::shared_ptr<Channel> Paths::new_channel(const std::string& egress) {
  return std::make_shared<Channel>(tasks_.executor(), egress, changes_, clock_);
}

net::Task<Result<OpenedStream>> Paths::open(api::AgentResource resource, std::string operation, std::string trace) {
  for (std::string& egress : resource.egress)
    if (clusters_.is_egress(egress)) egress = member_of(egress, resource.id);
  std::vector<std::string> candidates;
  for (const std::string& egress : resource.egress)
    if (const auto use = uses_.find({resource.id, egress}); use != uses_.end() && use->second.sessions > 0)
      candidates.push_back(egress);
  for (const std::string& egress : resource.egress)
    if (std::ranges::find(candidates, egress) == candidates.end()) candidates.push_back(egress);
  if (candidates.empty()) {
    // The control plane knows why: that there is none at all is only one of the reasons.
    const std::string none = "no relay or gateway serves it; an admin has to add one";
    const std::string why = resource.health ? resource.health->reason.value_or(none) : none;
    co_return fail(Code::kUnavailable, "nobody can reach " + quoted(resource.name) + ": " + why, "no_egress");
  }
  std::vector<std::string> last;
  for (const std::string& egress : candidates) {
    const auto path = paths_.find(egress);
    if (silent(egress) || (path != paths_.end() && clock_.boot() < path->second->spare_until)) last.push_back(egress);
  }
  std::erase_if(candidates, [&](const std::string& egress) { return std::ranges::find(last, egress) != last.end(); });
  candidates.insert(candidates.end(), last.begin(), last.end());
  Result<OpenedStream> opened = fail(Code::kInternal, "not tried");
  for (const std::string& egress : candidates) {
    opened = co_await open_at(resource, egress, operation, trace);
    if (opened || !opened.error().retry_can_help()) break;
  }
  co_return opened;
}

net::Task<Result<OpenedStream>> Paths::open_at(api::AgentResource resource, std::string egress, std::string operation,
                                               std::string trace) {
  CO_TRY(const auto channel, co_await ensure(egress));
  const tunnel::Link* link = channel->links.newest();
  if (!link) co_return fail(Code::kUnavailable, "the link to the egress node has just ended");
  if (operation == "open") {
    if (!std::exchange(channel->tells_endings, true))
      tasks_.spawn("follow-endings", follow_endings(resource, egress, channel));
    if (path_to(egress).channels.begin_another()) tasks_.spawn("add-channel", add_channel(egress));
  }
  CO_TRY(auto stream, open_on(*link, resource.id, egress, std::move(operation), std::move(trace)));
  co_return OpenedStream{metered(std::move(stream), channel->meter),
                         std::move(egress),
                         channel,
                         link,
                         channel->gateway_id,
                         link->pipe != nullptr};
}

Result<std::unique_ptr<tunnel::MuxStream>> Paths::open_on(const tunnel::Link& link, const std::string& resource,
                                                          const std::string& egress, std::string operation,
                                                          std::string trace) {
  std::string node = egress;
  if (Clusters::id_of(egress) != egress) {
    PL_TRY(const auto worker, crypto::parse_node_identity(link.peer));
    node = worker.node;
  }
  const auto assertion = api::make_assertion(credentials_.state.account, credentials_.state.device, resource, node,
                                             link.binding, clock_.wall());
  return link.mux->open({resource,
                         {{"portolan-assertion", api::sign_assertion(assertion, credentials_.key)},
                          {"portolan-operation", std::move(operation)},
                          {"portolan-trace", std::move(trace)}}});
}

// One task makes the first link; others that want it meanwhile wait for its outcome.
net::Task<Result<std::shared_ptr<Channel>>> Paths::ensure(std::string egress) {
  Path& path = path_to(egress);
  for (;;) {
    if (auto channel = path.channels.for_new_stream()) co_return channel;
    if (auto waiting = path.channels.waiting()) {
      auto waited = co_await wait_for_pipe(std::move(waiting));
      if (!waited && !path.channels.for_new_stream()) co_return std::unexpected(std::move(waited).error());
      continue;
    }
    if (!path.opening) break;
    const auto opening = path.opening;
    const auto waited = co_await opening->wait(kGatewayWait + kAnswerLimit);
    if (!waited) co_return std::unexpected(waited.error());
  }
  const auto opening = std::make_shared<net::Event>(tasks_.executor());
  path.opening = opening;
  if (path.channels.all().empty()) path.channels.add(new_channel(egress));
  const auto channel = path.channels.all().front();
  auto made = co_await make_link({egress, channel});
  path.spare_until = made ? BootTime{} : clock_.boot() + kSpared;
  path.opening.reset();
  opening->set();
  if (!made) co_return std::unexpected(std::move(made).error());
  co_return channel;
}

// Nobody waits for it: where it cannot be made, those that there are go on serving.
net::Task<> Paths::add_channel(std::string egress) {
  Path& path = path_to(egress);
  auto channel = new_channel(egress);
  const auto made = co_await make_link({egress, channel});
  if (made) {
    path.channels.made(std::move(channel));
    changes_.note();
    co_return;
  }
  path.channels.could_not_be_made();
  if (made.error().code != Code::kCancelled)
    log::info("cannot make another pipe to an egress", {{"egress", egress}, {"why", made.error()}});
}

net::Task<> Paths::stop() {
  gateways_.on_leaving(nullptr);
  gateways_.on_plain_way(nullptr);
  tasks_.cancel();
  co_await tasks_.join();
  // The egress nodes are told, or they would keep the sessions for whoever might come back.
  const auto until = std::chrono::steady_clock::now() + kFarewell;
  for (const auto& [egress, path] : paths_)
    path->channels.close(Error{Code::kCancelled, "the client has stopped", "agent_stopped", Hop::kAgent});
  for (const auto& [egress, path] : paths_)
    while (!path->channels.all_ended() && std::chrono::steady_clock::now() < until)
      if (const auto slept = co_await net::sleep_for(std::chrono::milliseconds(5)); !slept) break;
  paths_.clear();
}

}  // namespace portolan::client
