// Files that people write, in YAML (or JSON, which is a part of it), as JSON values. Of YAML only what JSON can say is
// taken: no anchors, aliases and tags, no names that are no text or are there twice, no second document.
#pragma once
#include <cstddef>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/yaml_lines.h"

namespace portolan::cli {

struct YamlLimits {
  std::size_t bytes = 32 * 1024 * 1024;
  std::size_t depth = 32;
  std::size_t values = 2'000'000;
};

struct YamlDocument {
  json::Value value;
  YamlLines lines = {};  // where each entry of a list and each member begins
};

// Plain words are what the core schema of YAML 1.2 says: null, true, false and whole numbers without leading zeros;
// all else is text ("yes", 1.10, 2026-12-31 and 007 among it). Code::kInvalid begins with "line 17: ".
Result<YamlDocument> parse_yaml(std::string_view text, const YamlLimits& limits = {});

}  // namespace portolan::cli
