#include "control/rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"

namespace portolan::control {
namespace {

// Where a password can be tried.
constexpr std::string_view kSignInRoutes[] = {"POST /v1/sign-ins", "POST /activate"};

using Seconds = std::chrono::duration<double>;

std::chrono::seconds rounded_up(double seconds) {
  return std::chrono::seconds(static_cast<std::int64_t>(std::ceil(seconds)));
}

}  // namespace

void Quota::tell(net::http::Headers& headers) const {
  headers["ratelimit-limit"] = std::to_string(limit);
  headers["ratelimit-remaining"] = std::to_string(remaining);
  headers["ratelimit-reset"] = std::to_string(reset.count());
  if (refused) headers["retry-after"] = std::to_string(wait.count());
}

double RateLimit::now_in(const Bucket& bucket, BootTime now) const {
  return std::min(rate_.burst, bucket.tokens + Seconds(now - bucket.at).count() * rate_.per_second);
}

void RateLimit::forget_rested(BootTime now) {
  // Two for each one that may come: the rest is gone soon after a flood.
  for (int i = 0; i < 2 && !order_.empty() && now_in(order_.back(), now) >= rate_.burst; ++i) {
    buckets_.erase(order_.back().caller);
    order_.pop_back();
  }
}

Quota RateLimit::take(const std::string& caller) {
  const BootTime now = clock_.boot();
  forget_rested(now);
  const auto found = buckets_.find(caller);
  if (found != buckets_.end()) {
    order_.splice(order_.begin(), order_, found->second);
  } else {
    if (buckets_.size() >= most_) {
      buckets_.erase(order_.back().caller);
      order_.pop_back();
    }
    order_.push_front({caller, rate_.burst, now});
    buckets_.emplace(caller, order_.begin());
  }
  Bucket& bucket = order_.front();
  bucket.tokens = now_in(bucket, now);
  bucket.at = now;
  Quota quota;
  quota.refused = bucket.tokens < 1;
  if (!quota.refused) bucket.tokens -= 1;
  quota.limit = static_cast<std::uint64_t>(rate_.burst);
  quota.remaining = static_cast<std::uint64_t>(bucket.tokens);
  quota.reset = rounded_up((rate_.burst - bucket.tokens) / rate_.per_second);
  if (quota.refused) quota.wait = rounded_up((1 - bucket.tokens) / rate_.per_second);
  return quota;
}

RateLimits::RateLimits(const RateOptions& options, const Clock& clock)
    : callers_(options.caller, options.callers, clock),
      addresses_(options.address, options.callers, clock),
      sign_ins_(options.sign_in, options.callers, clock),
      agents_(options.agent, options.callers, clock),
      nodes_(options.node, options.callers, clock) {}

Quota RateLimits::take(std::string_view route, const Caller& caller, const std::string& peer) {
  switch (caller.kind) {
    case Caller::Kind::kApiToken:
    case Caller::Kind::kSignInToken: return callers_.take(caller.account);
    case Caller::Kind::kUserCertificate: return agents_.take(caller.account);
    case Caller::Kind::kNode: return nodes_.take(caller.node);
    case Caller::Kind::kNobody: break;
  }
  const bool sign_in = std::ranges::find(kSignInRoutes, route) != std::end(kSignInRoutes);
  return (sign_in ? sign_ins_ : addresses_).take(network_of(peer));
}

std::string network_of(const std::string& address) {
  std::array<std::byte, 16> bytes{};
  constexpr std::array<std::byte, 12> kMapped = {
      {{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{255}, std::byte{255}}};
  const std::string plain = address.substr(0, address.find('%'));  // without the interface
  if (::inet_pton(AF_INET6, plain.c_str(), bytes.data()) != 1) return address;
  if (std::ranges::equal(kMapped, std::span(bytes).first<12>())) {
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
    return text.data();
  }
  return hex(std::span(bytes).first<8>()) + "/64";
}

}  // namespace portolan::control
