#include "base/version.h"

#include <algorithm>

namespace portolan {
namespace {

constexpr std::size_t kLongest = 64;
[[gnu::used, gnu::retain]] const char kMarked[] = "portolan-version=" PORTOLAN_VERSION;
static_assert(sizeof kMarked <= kLongest);

}  // namespace

std::string_view program_version() {
  // The compiler is kept from knowing the text, and so from making copies of it.
  const char* marked = kMarked;
  asm volatile("" : "+r"(marked));
  return std::string_view(marked).substr(kVersionMark.size());
}

std::string_view version_in(std::string_view program) {
  std::string_view found;
  for (auto at = program.find(kVersionMark); at != std::string_view::npos; at = program.find(kVersionMark, at + 1)) {
    const std::string_view rest = program.substr(at + kVersionMark.size(), kLongest);
    const std::string_view version = rest.substr(0, rest.find('\0'));
    // The mark itself stands in the program, too, with nothing behind it.
    if (version.empty() || version.size() == rest.size()) continue;
    const bool plausible = std::ranges::all_of(version, [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-';
    });
    if (!plausible) continue;
    if (!found.empty()) return {};
    found = version;
  }
  return found;
}

}  // namespace portolan
