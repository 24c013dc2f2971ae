#include "cli/tag_options.h"

#include "cli/exit.h"

namespace portolan::cli {

Result<std::pair<std::string, std::string>> name_and_value(const std::string& option, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return wrong_usage(option + " " + quoted(text) + ": must be NAME=VALUE");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<Tags> tags_of(const std::vector<std::string>& tags) {
  Tags out;
  for (const std::string& text : tags) {
    PL_TRY(auto pair, name_and_value("--tag", text));
    if (!out.insert(std::move(pair)).second) return wrong_usage("--tag " + quoted(text) + ": its key is given twice");
  }
  return out;
}

Result<Tags> merged_tags(const Tags& before, const std::vector<std::string>& tags,
                         const std::vector<std::string>& untag) {
  PL_TRY(auto out, tags_of(tags));
  out.insert(before.begin(), before.end());
  for (const auto& key : untag)
    if (out.erase(key) == 0) return wrong_usage("--untag " + quoted(key) + ": it has no such tag");
  return out;
}

std::string tags_in_short(const Tags& tags) {
  std::string out;
  for (const auto& [key, value] : tags) out += (out.empty() ? "" : " ") + key + "=" + value;
  return out;
}

}  // namespace portolan::cli
