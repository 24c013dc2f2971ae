// How it stands with paths, for people and for who waits on them.
#include "client/paths.h"

namespace portolan::client {

// A link that is only to be replaced, since its gateway is leaving, is not silent.
bool Paths::silent(const std::string& egress) const {
  const auto path = paths_.find(egress);
  if (path == paths_.end()) return false;
  const tunnel::Link* link = path->second->links.newest();
  if (!link || !link->pipe || !link->pipe->attached() || !link->pipe->wants_link()) return false;
  const std::string& gateway = path->second->gateway_id;
  return gateway.empty() || gateways_.serves(gateway);
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
  const auto path = paths_.find(opened.egress);
  if (path != paths_.end() && path->second->links.standing(opened.link) != tunnel::Succession::Standing::kEnded)
    return std::nullopt;
  const std::string gateway = opened.piped && path != paths_.end() ? path->second->gateway_id : opened.gateway;
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

std::vector<api::LocalPath> Paths::status() const {
  std::vector<api::LocalPath> list;
  for (const auto& [egress, path] : paths_) {
    if (!path->links.up()) continue;
    std::uint64_t sessions = 0;
    for (const auto& [key, use] : uses_)
      if (key.second == egress) sessions += use.sessions;
    api::LocalPath entry{
        Clusters::id_of(egress), path->gateway, path->kind, sessions, path->handshakes, {}, "linked", {}, {}, {}, {}};
    if (!path->fallback.empty()) entry.fallback = path->fallback;
    if (!path->gateway_id.empty()) {
      entry.hops = {{path->gateway}};
      for (const std::string& hop : path->hops) entry.hops->push_back(gateways_.name_of(hop));
    }
    const auto& pipe = path->links.newest()->pipe;
    if (silent(egress)) entry.state = "silent";
    if (const auto left = pipe ? pipe->time_left() : std::nullopt) {
      entry.state = "reconnecting";
      entry.time_left_ms = static_cast<std::uint64_t>(left->count());
      if (path->not_reconnected) entry.reason = path->not_reconnected->message;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace portolan::client
