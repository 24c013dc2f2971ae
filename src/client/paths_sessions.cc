// The sessions on paths: what keeps their leases, and what their egress nodes say of their ends.
#include <algorithm>

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "client/paths.h"
#include "client/paths_limits.h"
#include "net/wait.h"

namespace portolan::client {
namespace {

constexpr std::chrono::milliseconds kShortestRenewal = std::chrono::milliseconds(500);
constexpr std::size_t kEndingLine = 16 * 1024;

}  // namespace

void Paths::session_began(const api::AgentResource& resource, const std::string& egress,
                          std::chrono::milliseconds lease_life) {
  const UseKey key{resource.id, egress};
  Use& use = uses_[key];
  use.resource = resource;
  use.lease_life = lease_life;
  ++use.sessions;
  changes_.note();
  if (!std::exchange(use.renewing, true)) tasks_.spawn("renew-lease", keep_renewed(key));
}

void Paths::session_ended(const std::string& resource, const std::string& egress) {
  if (const auto use = uses_.find({resource, egress}); use != uses_.end() && use->second.sessions > 0)
    --use->second.sessions;
  changes_.note();
}

// One stream for each link. A channel that is not needed any more is ended in spite of it. An egress node that does not
// know the operation says so, and sessions end there without a word to us.
net::Task<> Paths::follow_endings(api::AgentResource resource, std::string egress, std::shared_ptr<Channel> channel) {
  const tunnel::Succession& links = channel->links;
  const tunnel::Link* link = links.newest();
  if (!link) co_return;
  auto opened = open_on(*link, resource.id, egress, "endings", make_id("t"));
  const auto answered = opened ? co_await (*opened)->answered(kAnswerLimit) : Result<>(std::unexpected(opened.error()));
  if (!answered) {
    log::debug("the egress node does not tell why sessions end", {{"egress", egress}, {"why", answered.error()}});
    co_return;
  }
  std::string pending;
  for (bool alone = false;;) {
    const auto more = co_await net::with_timeout(net::read(**opened), kLook);
    const auto standing = links.standing(link);
    if (!more && more.error().code == Code::kTimeout && standing != tunnel::Succession::Standing::kEnded) {
      // A link that has retired ends with its last stream, which must not be this one. The last session's line may
      // still be under way when it ends.
      const bool last = standing == tunnel::Succession::Standing::kRetired && link->mux->open_streams() <= 1;
      if (std::exchange(alone, last) && last) co_return;
      continue;
    }
    if (!more || more->empty()) co_return;
    alone = false;
    pending += as_text(more->data());
    for (auto end = pending.find('\n'); end != pending.npos; end = pending.find('\n')) {
      auto ending = json::decode<api::SessionEnding>(pending.substr(0, end), json::Unknown::kIgnore);
      pending.erase(0, end + 1);
      if (!ending) co_return;
      if (tell_ending_) tell_ending_(std::move(*ending));
    }
    if (pending.size() > kEndingLine) co_return;
  }
}

// While sessions live, a fresh assertion every half life: without it the control plane renews no lease.
net::Task<> Paths::keep_renewed(UseKey key) {
  std::chrono::milliseconds pause = std::max(uses_[key].lease_life / 2, kShortestRenewal);
  for (;;) {
    const auto slept = co_await net::sleep_for(pause);
    if (!slept) co_return;
    const Use use = uses_[key];
    if (use.sessions == 0) {
      uses_.erase(key);
      co_return;
    }
    auto opened = co_await open_at(use.resource, key.second, "renew", make_id("t"));
    const auto answered =
        opened ? co_await opened->stream->answered(kAnswerLimit) : Result<>(std::unexpected(opened.error()));
    const bool ended = co_await net::cancelled();
    if (ended) co_return;
    if (!answered) {
      log::warn("cannot renew a lease", {{"resource", use.resource.name}, {"why", answered.error()}});
    }
    pause = std::max(answered ? use.lease_life / 2 : std::min(use.lease_life / 4, kRenewalRetry), kShortestRenewal);
  }
}

}  // namespace portolan::client
