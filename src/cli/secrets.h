// Secrets reach a command by a file, the environment, or a terminal without echo; never by an argument, which others
// can read.
#pragma once
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::cli {

// A file that only its owner can read, or "-" for standard input; one line end at its end does not count.
Result<Secret> secret_from_file(const std::filesystem::path& path);
// The same of what such a file holds.
Result<Secret> secret_of_content(std::string content, const std::filesystem::path& path);
Result<Secret> secret_from_environment(const std::string& name);

// Asks on the terminal, whatever standard input is; Code::kNotFound if there is none.
Result<Secret> ask_secret(const std::string& question);
Result<std::string> ask(const std::string& question);

}  // namespace portolan::cli
