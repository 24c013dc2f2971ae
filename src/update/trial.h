// For programs that a supervisor starts again and again: a version that was installed is on trial until it has worked
// where it serves. One that begins three times and does not come as far is left by itself, at its fourth start.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "update/install.h"

namespace portolan::update {

inline constexpr std::uint32_t kMostStarts = 3;

// To be called as early as can be. If this version is on trial and has had its starts: goes back to the one before,
// notes it as failed, and gives the version that is there now, for which the process is to end. A trial of another
// version is over. What cannot be read is no reason not to start: then nothing happens.
std::optional<std::string> begin_start(const std::filesystem::path& state_folder, const Place& place,
                                       const Version& version);
// It works: the trial is over.
Result<> pass_trial(const std::filesystem::path& state_folder, const Version& version);

}  // namespace portolan::update
