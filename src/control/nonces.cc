#include "control/nonces.h"

#include "base/bytes.h"
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
    marks_.erase(entry.mark);
    if (--entry.count->second == 0) counts_.erase(entry.count);
    order_.pop_front();
  }
}

bool Nonces::known(std::string_view key, std::string_view nonce) {
  forget_old();
  return marks_.contains(mark_of(key, nonce));
}

Result<> Nonces::remember(const std::string& key, std::string_view nonce) {
  forget_old();
  const auto count = counts_.find(key);
  const bool too_many = count != counts_.end() && count->second >= limits_.per_key;
  if (too_many || order_.size() >= limits_.in_all)
    return fail(Code::kLimit, "too many signed requests within " + format_duration(limits_.life) + "; wait",
                "rate_limited");
  const Mark mark = mark_of(key, nonce);
  if (!marks_.insert(mark).second) return {};
  const auto of_key = counts_.try_emplace(key, 0).first;
  ++of_key->second;
  order_.push_back({clock_.boot() + limits_.life, mark, of_key});
  return {};
}

}  // namespace portolan::control
