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

// What an argument, or an option's value, may be called.
struct NameWanted {
  std::string command;   // "connect", "admin roles show"
  std::string argument;  // as the command calls it: "role", "resource", "--egress"
  std::string begun;     // what is there of it already
};
// What else there is to name. "connect": the resources that are not connected yet, and the like. Fast, and empty when
// it cannot be known.
using Names = std::function<std::vector<Candidate>(const NameWanted& wanted)>;

// `words`: all behind the program's name; the last is the one to complete and may be empty. Pure but for `names`.
std::vector<Candidate> complete(const CLI::App& root, const std::vector<std::string>& words, const Names& names);

// From the running agent, within half a second; under `admin` and `audit` from the control plane, within a second.
std::vector<Candidate> names_at_hand(const NameWanted& wanted);

}  // namespace portolan::cli
