// How it stands with paths, for people and for who waits on them.
#include <utility>

#include "client/paths.h"

namespace portolan::client {

// A link that is only to be replaced, since its gateway is leaving, is not silent.
bool Paths::silent(const Channel& channel) const {
  const auto pipe = channel.pipe();
  if (!pipe || !pipe->attached() || !pipe->wants_link()) return false;
  return channel.gateway_id.empty() || gateways_.serves(channel.gateway_id);
}

bool Paths::silent(const std::string& egress) const {
  const auto path = paths_.find(egress);
  if (path == paths_.end()) return false;
  bool any = false;
  for (const auto& channel : path->second->channels.all()) {
    if (!channel->links.up()) continue;
    if (!silent(*channel)) return false;
    any = true;
  }
  return any;
}

bool Paths::silent(const OpenedStream& opened) const {
  const auto channel = opened.channel.lock();
  return channel && silent(*channel);
}

Error Paths::no_answer(const std::string& resource, const std::string& egress, std::chrono::nanoseconds waited) const {
  const std::string kind = clusters_.is_egress(egress)    ? "cluster "
                           : gateways_.address_of(egress) ? "gateway "
                                                          : "relay ";
  return {Code::kTimeout,
          quoted(resource) + ": " + kind + name_of_(Clusters::id_of(egress)) + " has not answered for " +
              std::to_string(std::chrono::floor<std::chrono::seconds>(waited).count()) + " s",
          std::string(kEgressSilent), Hop::kAgent};
}

std::optional<Error> Paths::why_ended(const OpenedStream& opened, const Error& failure) const {
  // What the pipe has found out says more than what has become of its last link.
  if (opened.piped && (failure.reason == tunnel::kPipeTimedOut || failure.reason == tunnel::kPipeUnknown ||
                       failure.reason == kWorkerLost)) {
    // The innermost cause; what is around it names streams and sockets.
    const auto inner = failure.message.rfind(": ");
    const std::string cause = inner == std::string::npos ? failure.message : failure.message.substr(inner + 2);
    return Error{failure.code, cause, failure.reason, Hop::kAgent};
  }
  const auto channel = opened.channel.lock();
  if (channel && channel->links.standing(opened.link) != tunnel::Succession::Standing::kEnded) return std::nullopt;
  const std::string gateway = opened.piped && channel ? channel->gateway_id : opened.gateway;
  if (!gateway.empty())
    if (auto why = gateways_.why_ended(gateway)) return why;
  const bool direct = gateway.empty();
  const bool cluster = clusters_.is_egress(opened.egress);
  std::string peer = (cluster  ? "a worker of cluster "
                      : direct ? "gateway "
                               : "node ") +
                     name_of_(Clusters::id_of(opened.egress));
  if (!direct) peer += ", by gateway " + gateways_.name_of(gateway) + ",";
  return why_link_ended(peer, failure, direct ? Hop::kGateway : Hop::kEgress);
}

api::LocalPath Paths::describe(const Channel& channel) const {
  api::LocalPath entry{{}, channel.gateway, channel.kind, 0, 0, {}, "linked", {}, {}, {}, {}, {}};
  if (!channel.fallback.empty()) entry.fallback = channel.fallback;
  if (!channel.gateway_id.empty()) {
    entry.hops = {{channel.gateway}};
    for (const std::string& hop : channel.hops) entry.hops->push_back(gateways_.name_of(hop));
  }
  if (silent(channel)) entry.state = "silent";
  const auto pipe = channel.pipe();
  if (const auto left = pipe ? pipe->time_left() : std::nullopt) {
    entry.state = "reconnecting";
    entry.time_left_ms = static_cast<std::uint64_t>(left->count());
    if (channel.not_reconnected) entry.reason = channel.not_reconnected->message;
  }
  return entry;
}

std::vector<api::LocalPath> Paths::status() const {
  std::vector<api::LocalPath> list;
  for (const auto& [egress, path] : paths_) {
    // Of several pipes the one that fares worst: who looks on wants to know what may end. Of equals the one that most
    // of the sessions are on.
    const Channel* shown = nullptr;
    const auto rank = [this](const Channel& channel) {
      return std::pair(channel.waits() ? 2 : silent(channel) ? 1 : 0, channel.meter->streams());
    };
    std::uint64_t pipes = 0;
    for (const auto& channel : path->channels.all()) {
      if (!channel->links.up()) continue;
      ++pipes;
      if (!shown || rank(*channel) > rank(*shown)) shown = channel.get();
    }
    if (!shown) continue;
    api::LocalPath entry = describe(*shown);
    entry.egress = Clusters::id_of(egress);
    for (const auto& [key, use] : uses_)
      if (key.second == egress) entry.sessions += use.sessions;
    entry.handshakes = path->handshakes;
    if (pipes > 1) entry.pipes = pipes;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace portolan::client
