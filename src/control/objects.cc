#include "control/objects.h"

#include <algorithm>
#include <charconv>

namespace portolan::control {

Result<std::optional<std::uint64_t>> wanted_revision(const net::http::Request& request) {
  const std::string_view text = request.header("if-match");
  if (text.empty() || text == "*") return std::optional<std::uint64_t>();
  std::uint64_t revision = 0;
  if (text.size() >= 3 && text.front() == '"' && text.back() == '"') {
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size() - 1, revision);
    if (error == std::errc() && end == text.data() + text.size() - 1) return std::optional(revision);
  }
  return fail(Code::kInvalid, "the If-Match header must be one ETag as a GET gave it, such as \"17\"");
}

Result<> check_revision(std::optional<std::uint64_t> wanted, std::uint64_t found, std::string_view label,
                        std::string_view key) {
  if (!wanted || *wanted == found) return {};
  return fail(Code::kConflict,
              "the " + std::string(label) + " " + quoted(key) + " has been changed meanwhile: it is at revision " +
                  std::to_string(found) + ", and this request was made for revision " + std::to_string(*wanted) +
                  "; look at it again",
              "stale");
}

Result<> check_text(std::string_view member, std::string_view text, std::size_t limit) {
  const bool plain =
      std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (text.size() <= limit && plain) return {};
  return fail(Code::kInvalid,
              std::string(member) + ": at most " + std::to_string(limit) + " bytes without control characters");
}

}  // namespace portolan::control
