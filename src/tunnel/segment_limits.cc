#include "tunnel/segment_limits.h"

#include "base/log.h"

namespace portolan::tunnel {
namespace {

constexpr std::size_t kMostNetworks = 64;

}  // namespace

int SegmentLimits::longest(const std::string& network) const {
  const auto found = known_.find(network);
  return found == known_.end() || clock_.boot() - found->second.since >= kKept ? 0 : found->second.longest;
}

void SegmentLimits::fell_silent(const std::string& network) {
  const int before = longest(network);
  const BootTime now = clock_.boot();
  if (before != 0 && now - known_[network].since < kAtOnce) return;
  std::erase_if(known_, [&](const auto& entry) { return now - entry.second.since >= kKept; });
  if (!known_.contains(network) && known_.size() >= kMostNetworks) return;
  known_[network] = {before == 0 ? kShorter : kShortest, now};
  if (before != kShortest)
    log::info("a connection has fallen silent; shorter packets are sent from now on, in case long ones vanish here",
              {{"segment", known_[network].longest}});
}

}  // namespace portolan::tunnel
