// Files that people write, in YAML (or JSON, which is a part of it), as JSON values. Of YAML only what JSON can say is
// taken: no anchors, aliases and tags, no names that are no text or are there twice, no second document.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace portolan::cli {

struct YamlLimits {
  std::size_t bytes = 32 * 1024 * 1024;
  std::size_t depth = 32;
  std::size_t values = 2'000'000;
};

struct YamlDocument {
  json::Value value;
  // Where each list's entry and each member begins, by its path as json::decode writes it: "resources[3].host" → 17.
  std::map<std::string, std::size_t, std::less<>> lines = {};
  // Of the path, or of the nearest value around it; 0 if that is not known.
  std::size_t line_of(std::string_view path) const;
};

// Plain words are what the core schema of YAML 1.2 says: null, true, false and whole numbers without leading zeros;
// all else is text ("yes", 1.10, 2026-12-31 and 007 among it). Code::kInvalid begins with "line 17: ".
Result<YamlDocument> parse_yaml(std::string_view text, const YamlLimits& limits = {});

}  // namespace portolan::cli
