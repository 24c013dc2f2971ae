#include "protocols/features.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace portolan::protocols {
namespace {

// What nodes know that do not say what they understand.
constexpr std::string_view kFirstRelease[] = {"tcp",          "postgres",        "postgres.database",
                                              "postgres.tls", "postgres.tls_ca", "postgres.tls_server_name"};
// Answers wait until their records are on the disk.
constexpr std::string_view kStrictAudit = "strict-audit";

void add_newer(std::string feature, std::vector<std::string>& out) {
  if (std::ranges::find(kFirstRelease, feature) == std::end(kFirstRelease)) out.push_back(std::move(feature));
}

std::string feature_of(std::string_view type, std::string_view setting) { return fmt::format("{}.{}", type, setting); }

}  // namespace

std::vector<std::string> features_needed(std::string_view type, const Settings& settings) {
  std::vector<std::string> out;
  add_newer(std::string(type), out);
  const auto mode = audit_mode(settings);
  if (mode && *mode == audit::Mode::kStrict) out.emplace_back(kStrictAudit);
  for (const auto& [name, value] : own_settings(settings)) add_newer(feature_of(type, name), out);
  return out;
}

std::vector<std::string> features_understood() {
  std::vector<std::string> out = {std::string(kStrictAudit)};
  for (const Protocol& protocol : registry()) {
    add_newer(std::string(protocol.name), out);
    for (const auto setting : protocol.setting_names) add_newer(feature_of(protocol.name, setting), out);
  }
  return out;
}

std::vector<std::string> features_missing(const std::vector<std::string>& needed,
                                          const std::vector<std::string>& understood) {
  std::vector<std::string> out;
  for (const auto& feature : needed)
    if (std::ranges::find(understood, feature) == understood.end()) out.push_back(feature);
  return out;
}

std::string join_features(const std::vector<std::string>& features) {
  return fmt::format("{}", fmt::join(features, ","));
}

std::vector<std::string> split_features(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string features_in_words(const std::vector<std::string>& features) {
  if (features.empty()) return {};
  if (features.size() == 1) return features[0];
  if (features.size() == 2) return features[0] + " and " + features[1];
  return fmt::format("{} and {} more", features[0], features.size() - 1);
}

}  // namespace portolan::protocols
