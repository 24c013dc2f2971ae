#include "options.h"

#include <cmath>
#include <cstdlib>
#include <optional>

namespace portolan::delay {
namespace {

std::optional<double> number(std::string_view text, double most) {
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0' || !std::isfinite(value) || value < 0 || value > most) return std::nullopt;
  return value;
}

std::chrono::nanoseconds milliseconds(double value) { return std::chrono::nanoseconds(std::llround(value * 1e6)); }

bool set_cut(std::string_view text, Cut& out) {
  if (text == "none") return out = Cut::kNone, true;
  if (text == "out") return out = Cut::kOut, true;
  if (text == "back") return out = Cut::kBack, true;
  if (text == "both") return out = Cut::kBoth, true;
  return false;
}

enum class Found : std::uint8_t { kUnknown, kBad, kGood };

Found set(std::string_view name, std::string_view value, Settings& out) {
  constexpr double kLongest = 60'000;  // ms
  constexpr double kFastest = 1e6;     // Mbit/s
  if (name == "--cut") return set_cut(value, out.cut) ? Found::kGood : Found::kBad;
  const auto take = [&](double most, auto store) {
    const std::optional<double> given = number(value, most);
    if (given) store(*given);
    return given ? Found::kGood : Found::kBad;
  };
  if (name == "--delay") return take(kLongest, [&](double ms) { out.delay = milliseconds(ms); });
  if (name == "--jitter") return take(kLongest, [&](double ms) { out.jitter = milliseconds(ms); });
  if (name == "--loss") return take(1, [&](double share) { out.loss = share; });
  if (name == "--reorder") return take(1, [&](double share) { out.reorder = share; });
  if (name == "--rate") return take(kFastest, [&](double mbit) { out.bits_per_second = mbit * 1e6; });
  if (name == "--queue") return take(1 << 20, [&](double kib) { out.queue = static_cast<std::size_t>(kib * 1024); });
  if (name == "--black-hole")
    return take(65535, [&](double bytes) { out.black_hole = static_cast<std::size_t>(bytes); });
  return Found::kUnknown;
}

Found set(std::string_view name, std::string_view value, Options& out) {
  const auto name_it = [&](std::string& where, std::size_t most) {
    where = value;
    return value.empty() || value.size() > most ? Found::kBad : Found::kGood;
  };
  constexpr std::size_t kLongestDevice = 15;
  if (name == "--near") return name_it(out.near, 4096);
  if (name == "--far") return name_it(out.far, 4096);
  if (name == "--device") return name_it(out.device, kLongestDevice);
  if (name == "--mtu" || name == "--seed") {
    const std::optional<double> given = number(value, name == "--mtu" ? 65535 : 1e15);
    if (!given || (name == "--mtu" && *given < 68)) return Found::kBad;
    if (name == "--mtu") out.mtu = static_cast<unsigned>(*given);
    if (name == "--seed") out.seed = static_cast<unsigned long long>(*given);
    return Found::kGood;
  }
  return set(name, value, out.settings);
}

template <class Out>
std::string each(std::span<const std::string_view> words, Out& out) {
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::string name(words[i]);
    if (i + 1 == words.size()) return name + " has no value";
    const Found found = set(words[i], words[i + 1], out);
    if (found == Found::kUnknown) return "no option " + name;
    if (found == Found::kBad) return name + " cannot be " + std::string(words[i + 1]);
  }
  return {};
}

}  // namespace

std::string parse(std::span<const std::string_view> words, Options& out) {
  std::string wrong = each(words, out);
  if (wrong.empty() && (out.near.empty() || out.far.empty())) return "--near and --far are needed";
  return wrong;
}

std::string change(std::span<const std::string_view> words, Settings& out) {
  Settings changed = out;  // all of them or none
  std::string wrong = each(words, changed);
  if (wrong.empty()) out = changed;
  return wrong;
}

}  // namespace portolan::delay
