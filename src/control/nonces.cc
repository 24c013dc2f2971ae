#include "control/nonces.h"

#include <algorithm>

#include "base/bytes.h"
#include "control/signature.h"
#include "crypto/hash.h"

namespace portolan::control {

Nonces::Nonces(const Clock& clock, NonceLimits limits)
    : clock_(clock), limits_(limits), since_(std::chrono::floor<std::chrono::seconds>(clock.wall())) {}

Nonces::Mark Nonces::mark_of(std::string_view key, std::string_view nonce) {
  const auto hash = crypto::sha256(as_bytes(std::string(key) + '/' + std::string(nonce)));
  ByteReader reader(hash);
  Mark mark;
  mark.high = reader.u64();
  mark.low = reader.u64();
  return mark;
}

void Nonces::forget_old() {
  const BootTime now = clock_.boot();
  while (!order_.empty() && order_.front().ends <= now) {
    const Entry& entry = order_.front();
    since_ = std::max(since_, entry.made_before);
    marks_.erase(entry.mark);
    if (--entry.count->second == 0) counts_.erase(entry.count);
    order_.pop_front();
  }
}

WallTime Nonces::since() {
  forget_old();
  return since_;
}

bool Nonces::known(std::string_view key, std::string_view nonce) {
  forget_old();
  return marks_.contains(mark_of(key, nonce));
}

Result<> Nonces::remember(const std::string& account, std::string_view key, std::string_view nonce) {
  forget_old();
  const auto found = counts_.find(account);
  const std::size_t count = found == counts_.end() ? 0 : found->second;
  const std::size_t left = limits_.in_all - (order_.size() - count);
  if (count >= std::min(limits_.per_account, (left + 1) / 2) || order_.size() >= limits_.in_all)
    return fail(Code::kLimit, "too many signed requests within " + format_duration(limits_.life) + "; wait",
                "rate_limited");
  const Mark mark = mark_of(key, nonce);
  if (!marks_.insert(mark).second) return {};
  const auto of_account = counts_.try_emplace(account, 0).first;
  ++of_account->second;
  const auto made_before =
      std::chrono::floor<std::chrono::seconds>(clock_.wall() + kSignatureAhead) + std::chrono::seconds(1);
  order_.push_back({clock_.boot() + limits_.life, made_before, mark, of_account});
  return {};
}

}  // namespace portolan::control
