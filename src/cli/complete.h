// What may come next on the command line: read from the commands themselves, so that shells never know less than the
// program. The scripts that `portolan completion` prints ask by the hidden command `portolan __complete WORDS…`.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <CLI/App.hpp>

namespace portolan::cli {

struct Candidate {
  std::string value;
  std::string description;
};
// Stands for the names of files, which shells know best.
inline const std::string kFiles = ":files";

// What else there is to name: the argument of a command that takes resources. "connect": those that are not connected
// yet, and the like. Fast, and empty when it cannot be known.
using Names = std::function<std::vector<Candidate>(const std::string& command)>;

// `words`: all behind the program's name; the last is the one to complete and may be empty. Pure but for `names`.
std::vector<Candidate> complete(const CLI::App& root, const std::vector<std::string>& words, const Names& names);

// From the running agent, within half a second.
std::vector<Candidate> names_from_agent(const std::string& command);

}  // namespace portolan::cli
