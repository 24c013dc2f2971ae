#include "update/trial.h"

#include <fmt/format.h>

#include "base/log.h"
#include "update/state.h"

namespace portolan::update {
namespace {

// The version that it has gone back to, if it had to.
Result<std::optional<std::string>> count_start(const std::filesystem::path& file, const Place& place,
                                               const Version& version) {
  PL_TRY(State state, load_state(file));
  if (!state.trial) return std::optional<std::string>();
  if (state.trial->version != version.text()) {
    state.trial.reset();
    PL_CHECK(save_state(file, state));
    return std::optional<std::string>();
  }
  if (++state.trial->starts <= kMostStarts) {
    PL_CHECK(save_state(file, state));
    return std::optional<std::string>();
  }
  // Noted first: if going back fails, it is not tried at every start.
  state.failed[version.text()] = fmt::format("was started {} times and did not come to serve", kMostStarts);
  state.trial.reset();
  PL_CHECK(save_state(file, state));
  PL_TRY(auto before, go_back(place));
  return std::optional(std::move(before));
}

}  // namespace

std::optional<std::string> begin_start(const std::filesystem::path& state_folder, const Place& place,
                                       const Version& version) {
  std::error_code error;
  const auto file = state_folder / kStateFile;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  auto gone_back = count_start(file, place, version);
  if (gone_back) return std::move(*gone_back);
  log::error("cannot see whether this version is on trial, or go back", {{"error", gone_back.error()}});
  return std::nullopt;
}

Result<> pass_trial(const std::filesystem::path& state_folder, const Version& version) {
  const auto file = state_folder / kStateFile;
  PL_TRY(State state, load_state(file));
  if (!state.trial || state.trial->version != version.text()) return {};
  state.trial.reset();
  return save_state(file, state);
}

}  // namespace portolan::update
