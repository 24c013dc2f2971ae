// What a file of `portolan admin apply` has read for it: files and variables of the one who applies it.
//
// Such a file may come from somebody else: a colleague, a repository, a page with "apply this". What it has read
// becomes a resource's password or setting, leaves the machine, and goes on to whatever host the file names. So by
// default it reaches only what was laid beside it for that purpose, and variables that are named for that purpose;
// settings get certificates only, which are public. Whoever wrote the file, or has read it, lifts this with --trust.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace portolan::cli {

enum class Trust { kBeside, kAll };  // only what the text above allows, or whatever the person may read

// No error of it tells anything of a file's content.
class ApplyReader {
 public:
  // `folder`: in which the file lies, and to which the names in it are relative.
  ApplyReader(std::filesystem::path folder, Trust trust);

  Result<std::string> setting(const std::string& file) const;
  Result<Secret> password_file(const std::string& file) const;
  Result<Secret> password_variable(const std::string& name) const;

 private:
  Result<std::string> read_beside(const std::string& file, std::size_t limit, Privacy privacy) const;

  const std::filesystem::path folder_;
  const Trust trust_;
};

}  // namespace portolan::cli
