#include "control/apply_shown.h"

#include <algorithm>
#include <utility>

#include "base/words.h"

namespace portolan::control::detail {
namespace {

constexpr std::size_t kValueLimit = 200;  // of a value as it is shown

ShownText text_of(const std::string& value) { return value.empty() ? ShownText() : plain_words(value, kValueLimit); }
bool is_secret(std::string_view member) { return member.starts_with("sealed_") || member == "password_hash"; }

}  // namespace

ShownText shown(bool value) { return value ? "true" : "false"; }
ShownText shown(std::uint16_t value) { return value == 0 ? ShownText() : std::to_string(value); }
ShownText shown(const std::optional<WallTime>& value) { return value ? to_rfc3339(*value) : ShownText(); }
ShownText shown(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + value;
  return text_of(out);
}

bool is_shown(std::string_view member) {
  constexpr std::string_view kHidden[] = {"id", "created", "revision", "email", "account", "role", "resource"};
  return std::ranges::find(kHidden, member) == std::end(kHidden);
}

void compare(const std::string& member, const std::string& before, const std::string& after,
             std::vector<api::ApplyMember>& out) {
  if (before == after) return;
  if (!is_secret(member)) return out.push_back({member, text_of(before), text_of(after)});
  const auto word = [](const std::string& secret, const char* said) {
    return secret.empty() ? ShownText() : ShownText(said);
  };
  const char* name = member == "sealed_tls_key" ? "tls_key" : "password";
  out.push_back({name, word(before, "(set)"), word(after, before.empty() ? "(set)" : "(changed)")});
}
void compare(const std::string& member, const std::map<std::string, std::string>& before,
             const std::map<std::string, std::string>& after, std::vector<api::ApplyMember>& out) {
  std::map<std::string, std::pair<ShownText, ShownText>> both;
  for (const auto& [key, value] : before) both[key].first = plain_words(value, kValueLimit);
  for (const auto& [key, value] : after) both[key].second = plain_words(value, kValueLimit);
  for (auto& [key, values] : both) {
    const auto was = before.find(key);
    const auto is = after.find(key);
    if (was != before.end() && is != after.end() && was->second == is->second) continue;
    out.push_back({member + "." + key, std::move(values.first), std::move(values.second)});
  }
}

}  // namespace portolan::control::detail
