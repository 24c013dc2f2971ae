// The tree of releases that a web server gives out, and the documents that go into it. Everything here works on files;
// the keys that sign may be on another machine.
//
//   root.json              the newest root document              root/N.json   all of them
//   channels/CHANNEL.json  the manifest                          files/VERSION/portolan-PLATFORM
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "update/manifest.h"

namespace portolan::update {

std::string root_path(std::uint64_t version);
inline constexpr std::string_view kRootPath = "root.json";
std::string manifest_path(std::string_view channel);

// A document without signatures, to be signed.
struct RootPlan {
  KeySet root;
  KeySet release;
  WallTime expires{};
};
// The next one after what the tree has; the first one if it has none.
Result<Envelope> plan_root(const std::filesystem::path& tree, const RootPlan& plan);

struct ReleasePlan {
  std::string channel = "stable";
  std::string version = {};
  std::map<std::string, std::filesystem::path> programs = {};  // by platform
  std::uint32_t rollout = 100;
  std::optional<std::string> minimum_version = {};  // as it was
  std::optional<std::string> notes = {};
  std::size_t keep = 8;  // releases, this one included
};
// Copies the programs into the tree, where nobody is told of them yet, and makes the manifest that comes after the
// published one. A version that is published there keeps its files: it can only get another rollout. Code::kConflict
// for other files of the same version; Code::kInvalid for a program that says that it is another version.
Result<Envelope> plan_release(const std::filesystem::path& tree, const ReleasePlan& plan, WallTime now,
                              std::chrono::seconds life);

// What kind of document an envelope has.
Result<Kind> kind_of(const Envelope& envelope);

// Puts a signed document into its place, if those who update would take it: signed by who must, of the next version or
// of a higher sequence than the published one, not expired, its files there with their sizes and hashes.
// Its path in the tree.
Result<std::string> publish(const std::filesystem::path& tree, const Envelope& envelope, WallTime now);

// What the tree has. Code::kNotFound if it has none.
Result<Root> published_root(const std::filesystem::path& tree);
// Whatever its signatures and its time.
Result<std::optional<Manifest>> published_manifest(const std::filesystem::path& tree, std::string_view channel);

}  // namespace portolan::update
