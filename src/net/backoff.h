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
  std::chrono::milliseconds next() {
    const auto step = next_;
    next_ = std::min(next_ * 2, longest_);
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
