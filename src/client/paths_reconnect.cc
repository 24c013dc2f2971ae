// What becomes of pipes whose links break, fall silent, or go by a gateway that is leaving.
#include "base/log.h"
#include "client/paths.h"
#include "client/paths_limits.h"
#include "net/wait.h"

namespace portolan::client {
namespace {

// A link that has lasted so long was a good one.
constexpr std::chrono::milliseconds kLasting = std::chrono::seconds(1);
// After a change of the network, as for gateways.
constexpr std::chrono::milliseconds kProbeLimit = std::chrono::seconds(1);

}  // namespace

// Whoever wants to open a stream need not wait longer than for one attempt: there may be another egress node.
net::Task<Result<>> Paths::wait_for_pipe(std::string egress, std::shared_ptr<tunnel::Pipe> pipe) {
  Path& path = path_to(egress);
  if (path.not_reconnected) co_return std::unexpected(*path.not_reconnected);
  const auto waited = co_await path.turn.wait(kGatewayWait + kAnswerLimit);
  if (!waited) co_return std::unexpected(waited.error());
  if (pipe->attached() || pipe->over()) co_return Result<>{};
  if (path.not_reconnected) co_return std::unexpected(*path.not_reconnected);
  co_return fail(Code::kUnavailable, "the link to the egress node has just ended");
}

void Paths::look_after(const std::string& egress, const std::shared_ptr<tunnel::Pipe>& pipe) {
  pipe->on_change([this, egress, weak = std::weak_ptr(pipe)] {
    const auto changed = weak.lock();
    if (!changed) return;
    changes_.note();
    if (changed->wants_link() && reconnecting_.insert(changed.get()).second)
      tasks_.spawn("reconnect", reconnect(egress, changed));
  });
}

void Paths::goes_by(const std::shared_ptr<tunnel::Pipe>& pipe, const std::string& gateway) {
  std::erase_if(piped_, [&](const Piped& known) { return known.pipe.expired() || known.pipe.lock() == pipe; });
  if (gateway.empty()) return;
  piped_.push_back({pipe, gateway});
  // It may have said that it is leaving while the link was being made.
  if (!gateways_.serves(gateway)) pipe->replace_link();
}

void Paths::move_from(const std::string& gateway) {
  for (const Piped& piped : piped_)
    if (const auto pipe = piped.pipe.lock(); pipe && piped.gateway == gateway) pipe->replace_link();
}

void Paths::move_to_plain(const std::string& gateway) {
  move_from(gateway);
  const auto direct = paths_.find(gateway);
  if (direct == paths_.end() || !direct->second->gateway_id.empty()) return;
  if (const tunnel::Link* link = direct->second->links.newest(); link && link->pipe) link->pipe->replace_link();
}

// A first moment of rest, each of another length: after a gateway's death thousands come at once. Longer ones also
// where each link breaks as soon as it has been made: whoever lets us in and then cuts us off would have handshakes
// without end. A link that is only silent, or whose gateway is leaving, is not given up before another answers.
net::Task<> Paths::reconnect(std::string egress, std::shared_ptr<tunnel::Pipe> pipe) {
  Path& path = path_to(egress);
  log::info(pipe->attached() ? "an end-to-end link is silent, or its gateway is leaving; trying another way"
                             : "an end-to-end link has broken; reconnecting",
            {{"egress", egress}, {"gateway", path.gateway}});
  if (clock_.boot() - path.reconnected >= kLasting) path.rest.reset();
  while (pipe->wants_link()) {
    const auto rested = co_await path.hurry.wait(path.rest.next());
    if (!rested && rested.error().code == Code::kCancelled) break;
    if (!pipe->wants_link()) break;
    auto resumed = co_await make_link(egress, pipe);
    // Not as an error says: a gateway's link that is closed here calls itself cancelled, too.
    const bool ended = co_await net::cancelled();
    if (ended) break;
    if (resumed) path.reconnected = clock_.boot();
    if (resumed || resumed.error().code == Code::kConflict) {
      path.not_reconnected.reset();
    } else if (resumed.error().reason == tunnel::kPipeUnknown) {
      pipe->end(std::move(resumed).error());
    } else if (resumed.error().reason == tunnel::kOtherWorker && clusters_.missed(pipe)) {
      pipe->end(clusters_.lost(egress));
    } else if (pipe->wants_link()) {
      log::info("cannot reconnect yet", {{"egress", egress}, {"why", resumed.error()}});
      path.not_reconnected = std::move(resumed).error();
    }
    path.turn.set();
    changes_.note();
  }
  if (!pipe->over() && pipe->attached()) path.not_reconnected.reset();
  reconnecting_.erase(pipe.get());
  changes_.note();
}

void Paths::probe() {
  ways_.forget();
  for (const auto& [egress, path] : paths_) {
    path->hurry.set();
    if (path->links.up() || path->links.retired() > 0) tasks_.spawn("probe-path", probe_one(egress));
  }
}

net::Task<> Paths::probe_one(std::string egress) {
  Path& path = path_to(egress);
  const Error why{Code::kUnavailable, "the network has changed, and the egress node does not answer", "network_changed",
                  Hop::kAgent};
  const auto answered = co_await path.links.probe_newest(kProbeLimit, why);
  if (!answered && answered.error().code == Code::kCancelled) co_return;
  if (!answered) changes_.note();
  [[maybe_unused]] const auto retired = co_await path.links.probe_retired(kProbeLimit, why);
}

}  // namespace portolan::client
