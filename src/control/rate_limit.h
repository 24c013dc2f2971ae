// How many requests a caller may make: a token bucket for each (as RateLimit headers tell it), so that a flood by one
// slows nobody else. No honest use meets the limits (options.h).
//
// Callers are told apart by what they have proven: account, by whichever of its tokens and sign-ins, or node. Nobody,
// which whoever fails to prove anything is as well, is told apart by its address, IPv6 by the /64 that one customer
// usually has.
#pragma once
#include <chrono>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "control/caller.h"
#include "control/options.h"
#include "net/http/message.h"

namespace portolan::control {

struct Quota {
  bool refused = false;
  std::uint64_t limit = 0;
  std::uint64_t remaining = 0;
  std::chrono::seconds reset{};  // until all of `limit` is there again
  std::chrono::seconds wait{};   // when refused: until one more is

  // RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, and Retry-After when refused.
  void tell(net::http::Headers& headers) const;
};

// The buckets of one class of callers. One loop.
class RateLimit {
 public:
  // At most `most` buckets: then the one that has rested longest goes. `clock` outlives it.
  RateLimit(Rate rate, std::size_t most, const Clock& clock) : rate_(rate), most_(most), clock_(clock) {}
  Quota take(const std::string& caller);
  std::size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    std::string caller;
    double tokens;
    BootTime at;
  };
  double now_in(const Bucket& bucket, BootTime now) const;
  // A full bucket is as good as none.
  void forget_rested(BootTime now);

  const Rate rate_;
  const std::size_t most_;
  const Clock& clock_;
  std::list<Bucket> order_;  // the one that was used last is in front
  std::unordered_map<std::string, std::list<Bucket>::iterator> buckets_;
};

// All classes of callers.
class RateLimits {
 public:
  RateLimits(const RateOptions& options, const Clock& clock);
  // Takes one request for `route` off the caller's, nobody's off its address's.
  Quota take(std::string_view route, const Caller& caller, const std::string& peer);

 private:
  RateLimit callers_;
  RateLimit addresses_;
  RateLimit sign_ins_;
  RateLimit agents_;
  RateLimit nodes_;
};

// What an address is counted as: itself, of IPv6 its /64.
std::string network_of(const std::string& address);

}  // namespace portolan::control
