// What an installation remembers between updates, so that nobody can show it an older world than it has seen: the
// newest root document, of each channel the highest sequence and its document's hash, and the latest time that a signed
// document bore. One JSON file of mode 0600.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <boost/describe.hpp>

#include "base/clock.h"
#include "update/manifest.h"

namespace portolan::update {

struct SeenChannel {
  std::uint64_t sequence = 0;
  std::string sha256;  // of the document, in hexadecimal
};
BOOST_DESCRIBE_STRUCT(SeenChannel, (), (sequence, sha256))

// A version that has been installed and has not yet shown that it works where it serves (trial.h).
struct Trial {
  std::string version;
  std::uint32_t starts = 0;
};
BOOST_DESCRIBE_STRUCT(Trial, (), (version, starts))

struct State {
  std::string format;                    // "portolan-update-state-1"
  std::string installation;              // random
  std::optional<std::string> root = {};  // the newest envelope
  std::map<std::string, SeenChannel> channels = {};
  std::optional<WallTime> newest = {};             // when the newest document that was seen was made
  std::map<std::string, std::string> failed = {};  // versions that did not start here, and why
  std::optional<std::string> previous = {};        // the version that is kept for going back
  std::optional<Trial> trial = {};
};
BOOST_DESCRIBE_STRUCT(State, (), (format, installation, root, channels, newest, failed, previous, trial))

inline constexpr std::string_view kStateFile = "update.json";  // in its folder

// A new one if there is no file. A damaged file is an error, not a new beginning: who can damage it could make us
// forget.
Result<State> load_state(const std::filesystem::path& file);
Result<> save_state(const std::filesystem::path& file, const State& state);

// The document of a manifest that has been opened is not older than what was seen: a lower sequence is a downgrade
// ("rollback"), the same sequence with another text an equivocation. Code::kDenied. Then it is remembered.
Result<> remember(State& state, const Manifest& manifest, std::string_view document);

// Time for judging expiry: the clock's, but never before what signed documents have proven to be past.
WallTime not_before(const State& state, WallTime now);

}  // namespace portolan::update
