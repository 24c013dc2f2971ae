// What people may call things. Names stand in host names (NAME.localhost), file names and command lines, and beside ids
// ("id or name"), so the rules are narrow and nothing that looks like a made id is taken as a name.
#include <algorithm>

#include "base/id.h"
#include "directory/decision.h"

namespace portolan::directory {
namespace {

constexpr std::size_t kNameLimit = 63;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alphanumeric(char c) { return is_lower_or_digit(c) || is_upper(c); }

// As long as make_id makes them; shorter ones are names that people do use ("r-team").
bool looks_like_id(std::string_view name, std::string_view prefix) {
  return is_id(name, prefix) && name.size() == prefix.size() + 21;
}

bool is_domain(std::string_view domain) {
  if (domain.empty() || domain.size() > 253) return false;
  while (true) {
    const auto dot = domain.find('.');
    const auto label = domain.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    domain.remove_prefix(dot + 1);
  }
}

// RFC 5321 §4.1.2 Dot-string; quoted local parts are not taken.
bool is_local_part(std::string_view local) {
  if (local.empty() || local.size() > 64 || local.front() == '.' || local.back() == '.') return false;
  if (local.find("..") != std::string_view::npos) return false;
  constexpr std::string_view kMarks = ".!#$%&'*+-/=?^_`{|}~";
  return std::ranges::all_of(local,
                             [&](char c) { return is_alphanumeric(c) || kMarks.find(c) != std::string_view::npos; });
}

}  // namespace

Result<> check_resource_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kNameLimit && is_lower_or_digit(name.front()) &&
                    std::ranges::all_of(name, [](char c) { return is_lower_or_digit(c) || c == '-'; });
  if (!good)
    return fail(Code::kInvalid, "resource name " + quoted(name) +
                                    ": allowed are 1 to 63 of a-z, 0-9 and \"-\", beginning with a letter or digit");
  if (looks_like_id(name, "rs")) return fail(Code::kInvalid, "resource name " + quoted(name) + ": looks like an id");
  return {};
}

Result<> check_role_name(std::string_view name) {
  const bool good =
      !name.empty() && name.size() <= kNameLimit && is_alphanumeric(name.front()) &&
      std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
  if (!good)
    return fail(
        Code::kInvalid,
        "role name " + quoted(name) +
            ": allowed are 1 to 63 of letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit");
  if (looks_like_id(name, "r")) return fail(Code::kInvalid, "role name " + quoted(name) + ": looks like an id");
  return {};
}

Result<std::string> normalize_email(std::string_view email) {
  const auto at = email.rfind('@');
  const bool good = at != std::string_view::npos && email.size() <= 254 && is_local_part(email.substr(0, at)) &&
                    is_domain(email.substr(at + 1));
  if (!good)
    return fail(Code::kInvalid,
                "e-mail address " + quoted(email) +
                    ": must look like name@example.com, at most 254 ASCII characters without spaces or quotes");
  std::string lower(email);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

}  // namespace portolan::directory
