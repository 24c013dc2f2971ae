// Toll: what the peer of a mux may make us do for nothing. Frames that carry nothing cost us as much as those that do;
// whoever sends them faster than any use needs loses the link.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace portolan::tunnel {

class Toll {
 public:
  enum class For : std::uint8_t {
    kPing,      // and answers to pings that were not sent
    kSettings,  // and goodbyes: every stream may be concerned
    kNothing,   // DATA without bytes that ends nothing, PRIORITY
    kCredit,    // WINDOW_UPDATE; what we send earns them
    kReset,     // of a stream that has not been answered: work for nothing (CVE-2023-44487)
    kForeign,   // requests that no opener of ours makes
    kBomb,      // those with more headers than any of ours: packed, a frame holds megabytes of them
  };
  static constexpr std::size_t kKinds = 7;
  // What it complains of: "the peer sends … too fast".
  static std::string_view words(For what);

  // All that it takes from `now` on; `sent` bytes have been sent in all. False: too fast.
  bool pay(For what, BootTime now, std::uint64_t sent);

 private:
  struct Purse {
    double left = 0;
    BootTime at{};
    std::uint64_t sent = 0;
    bool used = false;
  };
  std::array<Purse, kKinds> purses_;
};

}  // namespace portolan::tunnel
