// Waits between attempts: doubling, with jitter, so that after a gateway's death thousands do not return at once.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/id.h"

namespace portolan::net {

class Backoff {
 public:
  explicit Backoff(std::chrono::milliseconds first = std::chrono::milliseconds(200),
                   std::chrono::milliseconds longest = std::chrono::seconds(5))
      : first_(first), longest_(longest), next_(first) {}

  // Between half and all of the next step.
  std::chrono::milliseconds next() { return next(longest_); }
  // The same, and no step is longer than `most`; those after it double from there.
  std::chrono::milliseconds next(std::chrono::milliseconds most) {
    const auto step = std::min(next_, most);
    next_ = std::min(step * 2, std::min(most, longest_));
    std::array<std::byte, 4> random{};
    fill_random(random);
    std::uint32_t number = 0;
    std::memcpy(&number, random.data(), sizeof number);
    return step / 2 + std::chrono::milliseconds(number % static_cast<std::uint32_t>(step.count() / 2 + 1));
  }
  void reset() { next_ = first_; }

 private:
  std::chrono::milliseconds first_, longest_, next_;
};

}  // namespace portolan::net
