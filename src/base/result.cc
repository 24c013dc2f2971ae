#include "base/result.h"

#include <array>

#include <fmt/format.h>

namespace portolan {
namespace {

constexpr std::array<std::string_view, 13> kCodeNames = {
    "invalid", "unauthenticated", "denied", "not_found", "conflict", "limit",   "unavailable",
    "timeout", "cancelled",       "eof",    "io",        "protocol", "internal"};
constexpr std::array<std::string_view, 6> kHopNames = {"unknown", "agent",         "gateway",
                                                       "egress",  "control-plane", "resource"};

}  // namespace

Error Error::within(std::string_view outer) && {
  message = fmt::format("{}: {}", outer, message);
  return std::move(*this);
}

Error Error::at(Hop where) && {
  if (hop == Hop::kUnknown) hop = where;
  return std::move(*this);
}

std::string_view Error::stable_code() const { return reason.empty() ? name_of(code) : std::string_view(reason); }

bool Error::retry_can_help() const {
  return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kIo || code == Code::kEof ||
         code == Code::kLimit;
}

std::string_view name_of(Code code) { return kCodeNames.at(static_cast<std::size_t>(code)); }
std::string_view name_of(Hop hop) { return kHopNames.at(static_cast<std::size_t>(hop)); }

Code code_from(std::string_view name) {
  for (std::size_t i = 0; i < kCodeNames.size(); ++i)
    if (kCodeNames[i] == name) return static_cast<Code>(i);
  return Code::kInternal;
}

Hop hop_from(std::string_view name) {
  for (std::size_t i = 0; i < kHopNames.size(); ++i)
    if (kHopNames[i] == name) return static_cast<Hop>(i);
  return Hop::kUnknown;
}

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  for (unsigned char c : text.substr(0, limit)) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", c);
    } else {
      out += static_cast<char>(c);
    }
  }
  out += text.size() > limit ? "\"…" : "\"";
  return out;
}

}  // namespace portolan
