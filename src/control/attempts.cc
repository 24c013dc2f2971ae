#include "control/attempts.h"

namespace portolan::control {

Result<> Attempts::begin(const std::string& email) {
  const BootTime now = clock_.boot();
  auto& entry = entries_[email];
  if (entry.failures > 0 && entry.last + lock_time_ <= now) entry = {};
  if (entry.failures >= failures_) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(entry.last + lock_time_ - now);
    return fail(Code::kLimit,
                "too many wrong passwords for this account; it is locked for another " + format_duration(left) +
                    ", if no admin unlocks it before",
                "locked");
  }
  ++entry.failures;
  entry.last = now;
  if (entries_.size() > kLimit) make_room();
  return {};
}

bool Attempts::failed(const std::string& email) {
  const auto found = entries_.find(email);
  return found != entries_.end() && ++found->second.proven == failures_;
}

void Attempts::withdraw(const std::string& email) {
  if (const auto found = entries_.find(email); found != entries_.end() && found->second.failures > 0)
    --found->second.failures;
}

// First what no longer counts, then whatever has not got far.
void Attempts::make_room() {
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.last + lock_time_ <= clock_.boot(); });
  if (entries_.size() > kLimit)
    std::erase_if(entries_, [&](const auto& entry) { return entry.second.failures < failures_; });
  if (entries_.size() > kLimit) entries_.clear();
}

std::optional<WallTime> Attempts::locked_until(const std::string& email) const {
  const auto found = entries_.find(email);
  if (found == entries_.end() || found->second.failures < failures_) return std::nullopt;
  const auto left = found->second.last + lock_time_ - clock_.boot();
  if (left <= left.zero()) return std::nullopt;
  return clock_.wall() + std::chrono::ceil<std::chrono::milliseconds>(left);
}

}  // namespace portolan::control
