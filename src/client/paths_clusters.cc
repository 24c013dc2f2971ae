// Paths to clusters whose workers are egresses themselves, behind one address.
#include <algorithm>

#include "base/log.h"
#include "client/paths.h"
#include "net/tcp.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kDialLimit = std::chrono::seconds(5);
// In one go, to meet a certain worker: with a balancer that takes them in turn, among as many.
constexpr int kAttempts = 4;

}  // namespace

// One whose worker is leaving, or whose link is broken or silent, keeps what it has and gets nothing new.
bool Paths::takes_streams(const std::string& egress) const {
  const auto path = paths_.find(egress);
  if (path == paths_.end()) return false;
  if (path->second->opening) return true;
  const auto channel = path->second->channels.for_new_stream();
  return channel && channel->links.serves() && !silent(*channel);
}

std::string Paths::member_of(const std::string& cluster, const std::string& resource) const {
  std::string any, free;
  std::size_t number = 1;
  for (;; ++number) {
    std::string member = Clusters::member(cluster, number);
    const auto path = paths_.find(member);
    if (path == paths_.end()) break;
    if (takes_streams(member)) {
      const auto use = uses_.find({resource, member});
      if (use != uses_.end() && use->second.sessions > 0) return member;
      if (any.empty()) any = std::move(member);
    } else if (free.empty() && !path->second->channels.lives()) {
      free = std::move(member);
    }
  }
  if (!any.empty()) return any;
  return free.empty() ? Clusters::member(cluster, number) : free;
}

std::string Paths::worker_for(const std::string& egress, const Resumed& resumed) const {
  if (resumed) return clusters_.worker_of(resumed);
  const auto path = paths_.find(egress);
  if (path == paths_.end() || !clusters_.is_egress(egress)) return "";
  for (const auto& channel : path->second->channels.all())
    if (const tunnel::Link* link = channel->links.newest()) return link->peer;
  return "";
}

net::Task<Result<>> Paths::link_to_cluster(Wanted wanted, std::string address) {
  const Resumed& resumed = wanted.resumed;
  CO_TRY(const auto endpoint, net::parse_endpoint(address, 5000));
  Result<> linked = fail(Code::kInternal, "not tried");
  for (int i = 0; i < kAttempts; ++i) {
    if (resumed && !resumed->wants_link()) co_return fail(Code::kConflict, "the pipe has a link");
    auto path = co_await net::dial_tcp(endpoint, kDialLimit);
    if (!path)
      co_return std::unexpected(
          std::move(path).error().within("cluster " + name_of_(Clusters::id_of(wanted.egress))).at(Hop::kAgent));
    linked = co_await link_over(Way{std::move(*path)}, wanted, "");
    if (linked || linked.error().reason != tunnel::kOtherWorker) break;
  }
  co_return linked;
}

}  // namespace portolan::client
