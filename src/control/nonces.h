// Nonces of signed requests, remembered for longer than a request with them could be taken for a new one. In memory:
// what was signed before the control plane began is not taken at all. The wall clock, by which signatures age, may be
// set back, so a nonce is not forgotten without a trace: nothing is taken that is as old as it may be.
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
  std::chrono::milliseconds life = std::chrono::minutes(11);  // six and a little more (signature.h)
  std::size_t per_account = 50'000;                           // more than the rate of a caller lets come (options.h)
  std::size_t in_all = 500'000;                               // some 40 MB
};

// One loop. `clock` outlives it.
class Nonces {
 public:
  explicit Nonces(const Clock& clock, NonceLimits limits = {});

  // A signature made before this may have been used without anybody's knowing it any more. To the second, as signatures
  // tell it.
  WallTime since();
  bool known(std::string_view key, std::string_view nonce);
  // Code::kLimit if there are too many: to forget one would let it come again. Nor does an account get more than half
  // of what the others leave: however many flood, there is room for one more.
  Result<> remember(const std::string& account, std::string_view key, std::string_view nonce);

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
    WallTime made_before;  // whatever signature it came with
    Mark mark;
    Counts::iterator count;
  };
  static Mark mark_of(std::string_view key, std::string_view nonce);
  void forget_old();

  const Clock& clock_;
  const NonceLimits limits_;
  WallTime since_;
  std::unordered_set<Mark, Hash> marks_;
  std::deque<Entry> order_;  // all live equally long
  Counts counts_;            // by account
};

}  // namespace portolan::control
