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

Paths::Path::Path(const net::Executor& executor, std::string egress, Changes& changes)
    : links([egress = std::move(egress), &changes](const Error& why) {
        log::warn("end-to-end link ended", {{"egress", egress}, {"why", why}});
        changes.note();
      }),
      turn(executor),
      hurry(executor),
      rest(kFirstRest, kLongestRest) {}

Paths::Path& Paths::path_to(const std::string& egress) {
  auto& path = paths_[egress];
  if (!path) path = std::make_unique<Path>(tasks_.executor(), egress, changes_);
  return *path;
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
  if (candidates.empty())
    co_return fail(Code::kUnavailable,
                   "no relay or gateway serves " + quoted(resource.name) + "; an admin has to add one", "no_egress");
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
  CO_CHECK(co_await ensure(egress));
  Path& path = path_to(egress);
  const tunnel::Link* link = path.links.newest();
  if (!link) co_return fail(Code::kUnavailable, "the link to the egress node has just ended");
  if (operation == "open" && !std::exchange(path.tells_endings, true))
    tasks_.spawn("follow-endings", follow_endings(resource, egress));
  CO_TRY(auto stream, open_on(*link, resource.id, egress, std::move(operation), std::move(trace)));
  co_return OpenedStream{std::move(stream), std::move(egress), link, path.gateway_id, link->pipe != nullptr};
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

// One task makes the link; others that want it meanwhile wait for its outcome.
net::Task<Result<>> Paths::ensure(std::string egress) {
  for (;;) {
    Path& path = path_to(egress);
    const tunnel::Link* link = path.links.newest();
    if (link && !(link->pipe && link->pipe->over())) {
      if (!link->pipe || link->pipe->attached()) co_return Result<>{};
      CO_CHECK(co_await wait_for_pipe(egress, link->pipe));
      continue;
    }
    if (!path.opening) break;
    const auto opening = path.opening;
    const auto waited = co_await opening->wait(kGatewayWait + kAnswerLimit);
    if (!waited) co_return std::unexpected(waited.error());
    if (!path.links.up() && !path.opening) break;
  }
  const auto opening = std::make_shared<net::Event>(tasks_.executor());
  path_to(egress).opening = opening;
  auto made = co_await make_link(egress, nullptr);
  path_to(egress).spare_until = made ? BootTime{} : clock_.boot() + kSpared;
  path_to(egress).opening.reset();
  opening->set();
  co_return made;
}

net::Task<> Paths::stop() {
  gateways_.on_leaving(nullptr);
  gateways_.on_plain_way(nullptr);
  tasks_.cancel();
  co_await tasks_.join();
  // The egress nodes are told, or they would keep the sessions for whoever might come back.
  const auto until = std::chrono::steady_clock::now() + kFarewell;
  for (const auto& [egress, path] : paths_)
    path->links.close(Error{Code::kCancelled, "the client has stopped", "agent_stopped", Hop::kAgent});
  for (const auto& [egress, path] : paths_)
    while (path->links.lives() && std::chrono::steady_clock::now() < until)
      if (const auto slept = co_await net::sleep_for(std::chrono::milliseconds(5)); !slept) break;
  paths_.clear();
}

}  // namespace portolan::client
