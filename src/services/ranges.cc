#include "services/ranges.h"

#include <algorithm>
#include <charconv>

namespace portolan::services {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Weak tags are those of a cache on the way: for If-None-Match they count as the same (§13.1.2).
enum class Compare { kStrong, kWeak };

bool matches(std::string_view list, std::string_view etag, Compare compare) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    std::string_view one = trimmed(list.substr(0, comma));
    if (compare == Compare::kWeak && one.starts_with("W/")) one.remove_prefix(2);
    if (one == "*" || one == etag) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// None: to be ignored. An empty range: cannot be satisfied.
std::optional<Range> range_of(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text = trimmed(text.substr(kUnit.size()));
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(text.substr(0, dash));
  const auto last = number(text.substr(dash + 1));
  const bool open = dash + 1 == text.size();
  if (dash == 0) {  // the last so many bytes
    if (!last) return std::nullopt;
    return Range{size - std::min(*last, size), size};
  }
  if (!first || (!last && !open) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) return Range{};
  return Range{*first, open ? size : std::min(*last, size - 1) + 1};
}

}  // namespace

Wanted wanted_of(const net::http::Request& request, std::uint64_t size, std::string_view etag) {
  const Wanted whole{Verdict::kWhole, {0, size}};
  const std::string_view if_match = request.header("if-match");
  if (!if_match.empty() && !matches(if_match, etag, Compare::kStrong)) return {Verdict::kFailed, {}};
  const std::string_view if_none_match = request.header("if-none-match");
  if (!if_none_match.empty() && matches(if_none_match, etag, Compare::kWeak)) return {Verdict::kUnchanged, {}};
  const std::string_view range = request.header("range");
  if (range.empty() || request.method != "GET") return whole;
  // A date is never ours: we send none.
  const std::string_view if_range = request.header("if-range");
  if (!if_range.empty() && if_range != etag) return whole;
  const auto found = range_of(range, size);
  if (!found) return whole;
  if (found->begin == found->end) return {Verdict::kUnsatisfiable, {}};
  return {Verdict::kPart, *found};
}

}  // namespace portolan::services
