// Nonces of signed requests, remembered as long as a request with them could be taken for a new one: twice the clock
// slack, for its time may lie ahead. In memory: what was signed before the control plane began is not taken at all.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/clock.h"
#include "base/result.h"

namespace portolan::control {

struct NonceLimits {
  std::chrono::milliseconds life = std::chrono::minutes(11);  // a little more, for clocks that are set
  std::size_t per_key = 50'000;                               // more than the rate of a caller lets come (options.h)
  std::size_t in_all = 500'000;                               // some 40 MB
};

// One loop. `clock` outlives it.
class Nonces {
 public:
  explicit Nonces(const Clock& clock, NonceLimits limits = {});

  // To the second, as signatures tell it.
  WallTime since() const { return since_; }
  bool known(std::string_view key, std::string_view nonce);
  // Code::kLimit if there are too many: to forget one would let it come again.
  Result<> remember(const std::string& key, std::string_view nonce);

 private:
  struct Mark {  // half a hash: 128 bits
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const Mark&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Mark& mark) const { return mark.low; }
  };
  using Counts = std::map<std::string, std::size_t, std::less<>>;
  struct Entry {
    BootTime ends;
    Mark mark;
    Counts::iterator count;
  };
  static Mark mark_of(std::string_view key, std::string_view nonce);
  void forget_old();

  const Clock& clock_;
  const NonceLimits limits_;
  const WallTime since_;
  std::unordered_set<Mark, Hash> marks_;
  std::deque<Entry> order_;  // all live equally long
  Counts counts_;            // by key
};

}  // namespace portolan::control
