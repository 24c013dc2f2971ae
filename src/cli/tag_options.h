// Tags on the command line: --tag KEY=VALUE and --untag KEY.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace portolan::cli {

using Tags = std::map<std::string, std::string>;

// NAME=VALUE, of `option`.
Result<std::pair<std::string, std::string>> name_and_value(const std::string& option, const std::string& text);
Result<Tags> tags_of(const std::vector<std::string>& tags);
// `before` with these set and those taken away.
Result<Tags> merged_tags(const Tags& before, const std::vector<std::string>& tags,
                         const std::vector<std::string>& untag);
// For a cell: "env=prod region=eu".
std::string tags_in_short(const Tags& tags);

}  // namespace portolan::cli
