// Settings that resources of every protocol have.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "protocols/driver.h"

namespace portolan::protocols {
namespace {

constexpr std::array kNames = {audit::kModeSetting};

}  // namespace

std::span<const std::string_view> common_setting_names() { return kNames; }

std::vector<std::string_view> all_setting_names(const Protocol& protocol) {
  std::vector<std::string_view> names(kNames.begin(), kNames.end());
  names.insert(names.end(), protocol.setting_names.begin(), protocol.setting_names.end());
  return names;
}

Result<audit::Mode> audit_mode(const Settings& settings) {
  const auto found = settings.find(std::string(audit::kModeSetting));
  if (found == settings.end()) return audit::Mode::kDurable;
  if (const auto mode = audit::parse_mode(found->second)) return *mode;
  return fail(Code::kInvalid, fmt::format("setting {}: must be strict, durable or best-effort, not {}",
                                          audit::kModeSetting, quoted(found->second)));
}

Settings own_settings(Settings settings) {
  for (const std::string_view name : kNames) settings.erase(std::string(name));
  return settings;
}

Result<> check_settings(const Protocol& protocol, const Settings& settings, std::string_view username) {
  const auto names = all_setting_names(protocol);
  for (const auto& [name, value] : settings)
    if (std::ranges::find(names, name) == names.end())
      return fail(Code::kInvalid, fmt::format("unknown setting {} for {}; known are {}", quoted(name), protocol.name,
                                              fmt::join(names, ", ")));
  PL_CHECK(audit_mode(settings));
  return protocol.check(own_settings(settings), username);
}

}  // namespace portolan::protocols
