// Which release of a manifest an installation takes. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "update/manifest.h"

namespace portolan::update {

// What the organization says of versions. The control plane will tell it to agents and nodes; until it does, the
// command line does.
struct Policy {
  std::optional<Version> pin = {};      // this one and no other
  std::optional<Version> minimum = {};  // older ones wait for no rollout
};

enum class Rollout : std::uint8_t { kWait, kIgnore };

struct Installation {
  Version version;
  std::string platform{this_platform()};
  std::string id = {};                // random, constant: decides when it is its turn in a rollout
  std::set<std::string> failed = {};  // versions that did not start here, which are not tried again
  Policy policy = {};
  Rollout rollout = Rollout::kWait;
};

enum class Verdict : std::uint8_t {
  kCurrent,       // nothing newer is there for this installation
  kUpdate,        // `release` is to be installed
  kWaits,         // `release` is newer, but its rollout has not come to this installation
  kFailedBefore,  // `release` is newer, but did not start here
  kPinnedAway,    // the pinned version is not to be had: older than what is installed, or not in the manifest
};

struct Choice {
  Verdict verdict = Verdict::kCurrent;
  const Release* release = nullptr;  // in the manifest
  const File* file = nullptr;        // of this platform
  bool required = false;             // what is installed is older than the minimum
};

// Never an older one than what is installed: there is no way to a downgrade through a manifest.
Choice choose(const Manifest& manifest, const Installation& installation);

// From 0 to 99, evenly spread over installations, anew for every version: below the percentage it is its turn.
std::uint32_t place_in_rollout(std::string_view installation, std::string_view version);

}  // namespace portolan::update
