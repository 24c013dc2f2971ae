#include "update/choice.h"

#include <algorithm>

#include "crypto/hash.h"

namespace portolan::update {
namespace {

const File* file_for(const Release& release, std::string_view platform) {
  const auto found = std::ranges::find(release.files, platform, &File::platform);
  return found == release.files.end() ? nullptr : &*found;
}

// Of a manifest, whose versions have been checked.
Version version_of(const Release& release) { return *Version::parse(release.version); }

Choice choose_pinned(const Manifest& manifest, const Installation& installation, const Version& pin, bool required) {
  if (pin == installation.version) return {.required = required};
  if (pin < installation.version) return {Verdict::kPinnedAway, nullptr, nullptr, required};
  for (const Release& release : manifest.releases)
    if (release.version == pin.text())
      if (const File* file = file_for(release, installation.platform)) {
        const bool failed = installation.failed.contains(release.version);
        return {failed ? Verdict::kFailedBefore : Verdict::kUpdate, &release, file, required};
      }
  return {Verdict::kPinnedAway, nullptr, nullptr, required};
}

}  // namespace

std::uint32_t place_in_rollout(std::string_view installation, std::string_view version) {
  const auto digest = crypto::sha256(as_bytes(std::string(installation) + '\n' + std::string(version)));
  ByteReader reader(digest);
  return reader.u32() % 100;
}

Choice choose(const Manifest& manifest, const Installation& installation) {
  const Policy& policy = installation.policy;
  const auto minimum = Version::parse(manifest.minimum_version);
  const bool required =
      (minimum && installation.version < *minimum) || (policy.minimum && installation.version < *policy.minimum);
  if (policy.pin) return choose_pinned(manifest, installation, *policy.pin, required);
  const bool at_once = required || installation.rollout == Rollout::kIgnore;
  // The newest that it may have; if there is none, why it has not the newest.
  Choice why{.required = required};
  for (const Release& release : manifest.releases) {
    if (version_of(release) <= installation.version) break;
    const File* file = file_for(release, installation.platform);
    if (!file) continue;
    const bool failed = installation.failed.contains(release.version);
    const bool waits = !at_once && place_in_rollout(installation.id, release.version) >= release.rollout;
    if (!failed && !waits) return {Verdict::kUpdate, &release, file, required};
    if (!why.release) why = {failed ? Verdict::kFailedBefore : Verdict::kWaits, &release, file, required};
  }
  return why;
}

}  // namespace portolan::update
