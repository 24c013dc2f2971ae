#include "update/version.h"

#include <algorithm>
#include <charconv>

namespace portolan::update {
namespace {

constexpr std::size_t kLongest = 40;
constexpr std::uint32_t kMost = 999'999;

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_identifier(std::string_view text) {
  const bool fits = !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  return fits && !(is_digits(text) && text.size() > 1 && text.front() == '0');
}

// Takes what lies before the next dot.
std::string_view take(std::string_view& rest) {
  const auto dot = std::min(rest.find('.'), rest.size());
  const std::string_view taken = rest.substr(0, dot);
  rest.remove_prefix(std::min(dot + 1, rest.size()));
  return taken;
}

bool number_from(std::string_view text, std::uint32_t& out) {
  if (!is_digits(text) || (text.size() > 1 && text.front() == '0') || text.size() > 6) return false;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out <= kMost;
}

std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) {
  const bool numeric_a = is_digits(a);
  const bool numeric_b = is_digits(b);
  if (numeric_a != numeric_b) return numeric_a ? std::strong_ordering::less : std::strong_ordering::greater;
  if (numeric_a && a.size() != b.size()) return a.size() <=> b.size();
  return a <=> b;
}

}  // namespace

Result<Version> Version::parse(std::string_view text) {
  const auto wrong = [&] { return fail(Code::kInvalid, "not a version like 1.2.3: " + quoted(text)); };
  if (text.size() > kLongest) return wrong();
  Version out;
  out.text_ = text;
  const auto dash = std::min(text.find('-'), text.size());
  std::string_view numbers = text.substr(0, dash);
  if (std::ranges::count(numbers, '.') != 2) return wrong();
  for (std::uint32_t& number : out.numbers_)
    if (!number_from(take(numbers), number)) return wrong();
  if (dash == text.size()) return out;
  std::string_view rest = text.substr(dash + 1);
  if (rest.empty() || rest.ends_with('.')) return wrong();
  while (!rest.empty())
    if (!is_identifier(take(rest))) return wrong();
  return out;
}

std::string_view Version::prerelease() const {
  const auto dash = text_.find('-');
  return dash == std::string::npos ? std::string_view() : std::string_view(text_).substr(dash + 1);
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (const auto order = numbers_ <=> other.numbers_; order != 0) return order;
  std::string_view a = prerelease();
  std::string_view b = other.prerelease();
  if (a.empty() || b.empty()) return a.empty() <=> b.empty();  // what has none is the later one
  while (!a.empty() && !b.empty())
    if (const auto order = compare_identifiers(take(a), take(b)); order != 0) return order;
  return b.empty() <=> a.empty();
}

}  // namespace portolan::update
