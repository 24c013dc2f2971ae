// What may be installed from a channel: versions, newest first, each with a file for every platform. Signed by the
// release keys of the root document, for a limited time, with a sequence number that only grows. What the document says
// replaces TUF's targets, snapshot and timestamp documents: there is one file, small enough to be signed anew for every
// change.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe.hpp>

#include "base/clock.h"
#include "update/root.h"
#include "update/version.h"

namespace portolan::update {

struct File {
  std::string platform;  // "linux-x86_64"
  std::string path;      // below the tree's root, "files/1.2.3/portolan-linux-x86_64"
  std::uint64_t size = 0;
  std::string sha256;  // hexadecimal
};
BOOST_DESCRIBE_STRUCT(File, (), (platform, path, size, sha256))

struct Release {
  std::string version;
  WallTime made{};
  std::uint32_t rollout = 100;  // percent of the installations that may have it
  std::vector<File> files;
  std::optional<std::string> notes = {};  // where to read what is new
};
BOOST_DESCRIBE_STRUCT(Release, (), (version, made, rollout, files, notes))

struct Manifest {
  std::string format;  // "portolan-manifest-1"
  std::string channel;
  std::uint64_t sequence = 0;
  WallTime made{};
  WallTime expires{};
  // Older ones must not go on: their updates wait for no rollout.
  std::string minimum_version;
  std::vector<Release> releases;  // newest first, none twice
};
BOOST_DESCRIBE_STRUCT(Manifest, (), (format, channel, sequence, made, expires, minimum_version, releases))

inline constexpr std::string_view kManifestFormat = "portolan-manifest-1";
inline constexpr std::size_t kMostReleases = 64;
inline constexpr std::size_t kMostFiles = 32;
inline constexpr std::uint64_t kLargestFile = 1024 * 1024 * 1024;

// The platform that this program runs on.
std::string_view this_platform();
// "stable", "beta": letters, digits and dashes, at most 32.
Result<> check_channel(std::string_view channel);
// Relative, of plain characters, no segment that begins with a dot.
Result<> check_path(std::string_view path);

// Strict; whatever it accepts can be used as it is: versions parse, paths stay below the tree, hashes have their form.
Result<Manifest> decode_manifest(std::string_view document);
// Of a channel, signed by the release keys of `root`, not expired.
Result<Manifest> open_manifest(const Root& root, std::string_view channel, std::string_view envelope, WallTime now);

}  // namespace portolan::update
