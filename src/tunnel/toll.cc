#include "tunnel/toll.h"

#include <algorithm>
#include <chrono>

namespace portolan::tunnel {
namespace {

struct Rate {
  std::string_view words;
  double at_once;
  double per_second;
};

// The limits of docs/wire.md. Peers of ours send a PING for each 20 ms at most, and credit for 128 bytes at least,
// 32 KiB as a rule.
constexpr std::array<Rate, Toll::kKinds> kRates = {{
    {"PINGs", 500, 100},
    {"SETTINGS", 100, 10},
    {"empty frames", 1'000, 100},
    {"WINDOW_UPDATEs", 5'000, 1'000},
    {"resets of streams that it has just opened", 1'000, 100},
    {"requests that are none of ours", 1'000, 100},
    {"headers without measure", 20, 1},
}};
constexpr double kSentForCredit = 128;

}  // namespace

std::string_view Toll::words(For what) { return kRates[static_cast<std::size_t>(what)].words; }

bool Toll::pay(For what, BootTime now, std::uint64_t sent) {
  const Rate& rate = kRates[static_cast<std::size_t>(what)];
  Purse& purse = purses_[static_cast<std::size_t>(what)];
  if (!purse.used) purse = {.left = rate.at_once, .at = now, .sent = sent, .used = true};
  double earned = std::chrono::duration<double>(now - purse.at).count() * rate.per_second;
  if (what == For::kCredit) earned += static_cast<double>(sent - purse.sent) / kSentForCredit;
  purse = {.left = std::min(rate.at_once, purse.left + earned) - 1, .at = now, .sent = sent, .used = true};
  return purse.left >= 0;
}

}  // namespace portolan::tunnel
