// The file of `portolan admin apply`: the body of POST /v1/apply as people write it (docs/guide/apply.md). Beyond what
// the API takes, a resource may be given as a URL, its password as the name of a file or of a variable, and times as
// days.
#pragma once
#include <string>
#include <string_view>

#include "api/apply.h"
#include "cli/apply_reader.h"
#include "cli/yaml.h"

namespace portolan::cli {

// Between the errors of one message, the first part of which says how many there are.
inline constexpr std::string_view kErrorMark = " | ";

struct ApplyFile {
  std::string name;  // for messages
  YamlDocument source;
  api::ApplyRequest request;

  // The message with the line that it is about, if it begins with an entry of the file: "team.yaml:17: resources[3]…".
  std::string placed(std::string_view message) const;
};

// "-" is standard input, which lies in the working directory. Reads the files and variables that the file names too.
Result<ApplyFile> read_apply_file(const std::string& path, Trust trust);

// The same of a text. A password written in the text itself is refused unless `literals` says that nobody else can read
// it.
enum class Literals { kRefused, kTaken };
Result<ApplyFile> parse_apply_file(std::string name, std::string_view text, const ApplyReader& reader,
                                   Literals literals);

}  // namespace portolan::cli
