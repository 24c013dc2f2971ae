#include "update/manifest.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"

namespace portolan::update {
namespace {

constexpr std::size_t kLongestName = 32;
constexpr std::size_t kLongestPath = 200;
constexpr std::size_t kLongestNotes = 500;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<> check_file(const File& file) {
  if (!is_name(file.platform)) return fail(Code::kInvalid, "bad platform " + quoted(file.platform));
  PL_CHECK(check_path(file.path));
  if (file.size < 1 || file.size > kLargestFile) return fail(Code::kLimit, "a size that is out of range");
  if (!is_sha256(file.sha256)) return fail(Code::kInvalid, "bad sha256");
  return {};
}

Result<> check_release(const Release& release) {
  PL_CHECK(Version::parse(release.version));
  if (release.rollout > 100) return fail(Code::kInvalid, "a rollout of more than 100 percent");
  if (release.files.empty() || release.files.size() > kMostFiles)
    return fail(Code::kLimit, fmt::format("{} files; must be 1 to {}", release.files.size(), kMostFiles));
  if (release.notes && release.notes->size() > kLongestNotes) return fail(Code::kLimit, "notes are too long");
  std::set<std::string_view> platforms;
  for (const File& file : release.files) {
    PL_CHECK(check_file(file));
    if (!platforms.insert(file.platform).second)
      return fail(Code::kInvalid, "two files for the platform " + quoted(file.platform));
  }
  return {};
}

Result<> check_releases(const std::vector<Release>& releases) {
  if (releases.empty() || releases.size() > kMostReleases)
    return fail(Code::kLimit, fmt::format("{} releases; must be 1 to {}", releases.size(), kMostReleases));
  std::optional<Version> before;
  for (const Release& release : releases) {
    if (auto good = check_release(release); !good)
      return std::unexpected(std::move(good).error().within("release " + quoted(release.version)));
    PL_TRY(auto version, Version::parse(release.version));
    if (before && !(version < *before)) return fail(Code::kInvalid, "releases are not in order, newest first");
    before = std::move(version);
  }
  return {};
}

}  // namespace

std::string_view this_platform() {
#if defined(__linux__) && defined(__x86_64__)
  return "linux-x86_64";
#elif defined(__linux__) && defined(__aarch64__)
  return "linux-aarch64";
#else
#error "which platform is this?"
#endif
}

Result<> check_channel(std::string_view channel) {
  if (is_name(channel) && channel.find('_') == std::string_view::npos) return {};
  return fail(Code::kInvalid, "bad channel " + quoted(channel));
}

Result<> check_path(std::string_view path) {
  const auto wrong = [&] { return fail(Code::kInvalid, "bad path " + quoted(path)); };
  if (path.empty() || path.size() > kLongestPath || path.ends_with('/')) return wrong();
  char before = '/';
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '/';
    if (!plain || (before == '/' && (c == '.' || c == '/'))) return wrong();
    before = c;
  }
  return {};
}

Result<Manifest> decode_manifest(std::string_view document) {
  PL_TRY(auto manifest, json::decode<Manifest>(document, json::Unknown::kRefuse));
  if (manifest.format != kManifestFormat)
    return fail(Code::kProtocol, "a format that this release does not know: " + quoted(manifest.format),
                "unknown_format");
  PL_CHECK(check_channel(manifest.channel));
  if (manifest.sequence < 1) return fail(Code::kInvalid, "sequence is out of range");
  if (manifest.made >= manifest.expires) return fail(Code::kInvalid, "expires before it was made");
  PL_CHECK(Version::parse(manifest.minimum_version));
  PL_CHECK(check_releases(manifest.releases));
  return manifest;
}

Result<Manifest> open_manifest(const Root& root, std::string_view channel, std::string_view envelope, WallTime now) {
  PL_TRY(const Envelope opened, decode_envelope(Kind::kManifest, envelope));
  PL_CHECK(check_signatures(Kind::kManifest, opened, root.release, "the release keys"));
  auto manifest = decode_manifest(opened.document);
  if (!manifest) return std::unexpected(std::move(manifest).error().within("manifest"));
  if (manifest->channel != channel)
    return fail(Code::kDenied,
                fmt::format("the manifest is of the channel {}, not of {}", manifest->channel, quoted(channel)),
                "wrong_channel");
  if (now >= manifest->expires)
    return fail(
        Code::kDenied,
        fmt::format("the manifest has expired at {}: the downloads server gives out old ones, or this machine's "
                    "clock is wrong",
                    to_rfc3339(manifest->expires)),
        "expired");
  return manifest;
}

}  // namespace portolan::update
