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
net::Task<Result<>> Paths::wait_for_pipe(std::shared_ptr<Channel> channel) {
  const auto pipe = channel->pipe();
  if (channel->not_reconnected) co_return std::unexpected(*channel->not_reconnected);
  const auto waited = co_await channel->turn.wait(kGatewayWait + kAnswerLimit);
  if (!waited) co_return std::unexpected(waited.error());
  if (pipe->attached() || pipe->over()) co_return Result<>{};
  if (channel->not_reconnected) co_return std::unexpected(*channel->not_reconnected);
  co_return fail(Code::kUnavailable, "the link to the egress node has just ended");
}

void Paths::look_after(const Wanted& its, const std::shared_ptr<tunnel::Pipe>& pipe) {
  // The channel owns the pipe.
  pipe->on_change([this, egress = its.egress, channel = std::weak_ptr(its.channel), weak = std::weak_ptr(pipe)] {
    const auto changed = weak.lock();
    const auto alive = channel.lock();
    if (!changed || !alive) return;
    changes_.note();
    if (changed->wants_link() && reconnecting_.insert(changed.get()).second)
      tasks_.spawn("reconnect", reconnect({egress, alive, changed}));
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
  if (direct == paths_.end()) return;
  for (const auto& channel : direct->second->channels.all())
    if (const auto pipe = channel->pipe(); pipe && channel->gateway_id.empty()) pipe->replace_link();
}

// A first moment of rest, each of another length: after a gateway's death thousands come at once. Longer ones also
// where each link breaks as soon as it has been made: whoever lets us in and then cuts us off would have handshakes
// without end. A link that is only silent, or whose gateway is leaving, is not given up before another answers.
net::Task<> Paths::reconnect(Wanted wanted) {
  const std::string& egress = wanted.egress;
  const Resumed& pipe = wanted.resumed;
  Channel& channel = *wanted.channel;
  log::info(pipe->attached() ? "an end-to-end link is silent, or its gateway is leaving; trying another way"
                             : "an end-to-end link has broken; reconnecting",
            {{"egress", egress}, {"gateway", channel.gateway}});
  if (silent(channel)) {
    path_to(egress).channels.fell_silent();
    gateways_.fell_silent();
  }
  if (clock_.boot() - channel.reconnected >= kLasting) channel.rest.reset();
  while (pipe->wants_link()) {
    const auto rested = co_await channel.hurry.wait(channel.rest.next());
    if (!rested && rested.error().code == Code::kCancelled) break;
    if (!pipe->wants_link()) break;
    const BootTime began = clock_.boot();
    auto resumed = co_await make_link(wanted);
    // Not as an error says: a gateway's link that is closed here calls itself cancelled, too.
    const bool ended = co_await net::cancelled();
    if (ended) break;
    if (resumed) channel.reconnected = clock_.boot();
    // A gateway has waited for the relay: that was the rest.
    if (!resumed && resumed.error().reason == tunnel::kRelayAway && clock_.boot() - began >= kRelayWait)
      channel.rest.reset();
    if (resumed || resumed.error().code == Code::kConflict) {
      channel.not_reconnected.reset();
    } else if (resumed.error().reason == tunnel::kPipeUnknown) {
      pipe->end(std::move(resumed).error());
    } else if (resumed.error().reason == tunnel::kOtherWorker && clusters_.missed(pipe)) {
      pipe->end(clusters_.lost(egress));
    } else if (pipe->wants_link()) {
      log::info("cannot reconnect yet", {{"egress", egress}, {"why", resumed.error()}});
      channel.not_reconnected = std::move(resumed).error();
    }
    channel.turn.set();
    changes_.note();
  }
  if (!pipe->over() && pipe->attached()) channel.not_reconnected.reset();
  reconnecting_.erase(pipe.get());
  changes_.note();
}

void Paths::probe() {
  ways_.forget();
  for (const auto& [egress, path] : paths_) {
    for (const auto& channel : path->channels.all()) {
      channel->hurry.set();
      if (channel->links.up() || channel->links.retired() > 0) tasks_.spawn("probe-path", probe_one(channel));
    }
  }
}

net::Task<> Paths::probe_one(std::shared_ptr<Channel> channel) {
  const Error why{Code::kUnavailable, "the network has changed, and the egress node does not answer", "network_changed",
                  Hop::kAgent};
  const auto answered = co_await channel->links.probe_newest(kProbeLimit, why);
  if (!answered && answered.error().code == Code::kCancelled) co_return;
  if (!answered) changes_.note();
  [[maybe_unused]] const auto retired = co_await channel->links.probe_retired(kProbeLimit, why);
}

}  // namespace portolan::client
