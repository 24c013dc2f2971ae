#include "update/publish.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "base/version.h"
#include "crypto/hash.h"

namespace portolan::update {
namespace {

namespace fs = std::filesystem;

std::string file_path(std::string_view version, std::string_view platform) {
  return fmt::format("files/{}/portolan-{}", version, platform);
}

Result<std::optional<Envelope>> read_envelope(Kind kind, const fs::path& file) {
  const auto text = read_file(file, limit_of(kind));
  if (!text && text.error().code == Code::kNotFound) return std::optional<Envelope>();
  if (!text) return std::unexpected(text.error());
  auto envelope = decode_envelope(kind, *text);
  if (!envelope) return std::unexpected(std::move(envelope).error().within(file.string()));
  return std::optional(std::move(*envelope));
}

File describe(std::string platform, std::string path, std::string_view content) {
  return {std::move(platform), std::move(path), content.size(), hex(crypto::sha256(as_bytes(content)))};
}

// The program in the tree, where it lies for good.
Result<File> place_program(const fs::path& tree, const std::string& version, const std::string& platform,
                           const fs::path& program) {
  PL_TRY(const std::string content, read_file(program, kLargestFile));
  const std::string_view says = version_in(content);
  if (says != version)
    return fail(Code::kInvalid, fmt::format("{} is {}, not {}", program.string(),
                                            says.empty() ? "no Portolan" : "version " + std::string(says), version));
  File file = describe(platform, file_path(version, platform), content);
  const fs::path to = tree / file.path;
  const auto there = read_file(to, kLargestFile);
  if (there && *there == content) return file;
  if (there)
    return fail(Code::kConflict,
                fmt::format("{} is there with another content; a version is released once only", to.string()));
  PL_CHECK(make_folder(to.parent_path(), Privacy::kPublic));
  PL_CHECK(write_file(to, content, Privacy::kPublic));
  return file;
}

Result<> check_file_there(const fs::path& tree, const File& file) {
  const fs::path path = tree / file.path;
  PL_TRY(const std::string content, read_file(path, kLargestFile));
  const File found = describe(file.platform, file.path, content);
  if (found.size != file.size || found.sha256 != file.sha256)
    return fail(Code::kConflict, path.string() + " is not the file that is signed");
  return {};
}

Result<Release> release_of(const fs::path& tree, const ReleasePlan& plan, const std::optional<Manifest>& before,
                           WallTime now) {
  Release release{plan.version, now, plan.rollout, {}, plan.notes};
  const Release* there = nullptr;
  if (before)
    for (const Release& one : before->releases)
      if (one.version == plan.version) there = &one;
  if (there) {
    release.made = there->made;
    release.files = there->files;
    if (!release.notes) release.notes = there->notes;
  }
  for (const auto& [platform, program] : plan.programs) {
    PL_TRY(File file, place_program(tree, plan.version, platform, program));
    std::erase_if(release.files, [&](const File& old) { return old.platform == file.platform; });
    release.files.push_back(std::move(file));
  }
  return release;
}

Result<std::string> publish_root(const fs::path& tree, const Envelope& envelope, WallTime now) {
  const std::string text = encode_envelope(envelope);
  PL_TRY(const auto before, read_envelope(Kind::kRoot, tree / kRootPath));
  Root root;
  if (before) {
    PL_TRY(const Root current, decode_root(before->document));
    PL_TRY(root, next_root(current, text));
  } else {
    // Nobody to vouch for the first but itself: those who update know its keys.
    PL_TRY(const Root claimed, decode_root(envelope.document));
    PL_TRY(root, first_root(claimed.root, text));
    if (root.version != 1) return fail(Code::kInvalid, "the first root document must be of version 1");
  }
  PL_CHECK(check_time(root, now));
  const std::string path = root_path(root.version);
  PL_CHECK(make_folder((tree / path).parent_path(), Privacy::kPublic));
  PL_CHECK(write_file(tree / path, text, Privacy::kPublic));
  PL_CHECK(write_file(tree / kRootPath, text, Privacy::kPublic));
  return path;
}

Result<std::string> publish_manifest(const fs::path& tree, const Envelope& envelope, WallTime now) {
  const std::string text = encode_envelope(envelope);
  PL_TRY(const Root root, published_root(tree));
  PL_CHECK(check_time(root, now));
  PL_TRY(const Manifest claimed, decode_manifest(envelope.document));
  PL_TRY(const Manifest manifest, open_manifest(root, claimed.channel, text, now));
  PL_TRY(const auto before, published_manifest(tree, manifest.channel));
  if (before && manifest.sequence <= before->sequence)
    return fail(Code::kConflict, fmt::format("it has the sequence {}, but {} is published already", manifest.sequence,
                                             before->sequence));
  for (const Release& release : manifest.releases)
    for (const File& file : release.files) PL_CHECK(check_file_there(tree, file));
  const std::string path = manifest_path(manifest.channel);
  PL_CHECK(make_folder((tree / path).parent_path(), Privacy::kPublic));
  PL_CHECK(write_file(tree / path, text, Privacy::kPublic));
  return path;
}

}  // namespace

std::string root_path(std::uint64_t version) { return fmt::format("root/{}.json", version); }
std::string manifest_path(std::string_view channel) { return fmt::format("channels/{}.json", channel); }

Result<Root> published_root(const fs::path& tree) {
  PL_TRY(const auto envelope, read_envelope(Kind::kRoot, tree / kRootPath));
  if (!envelope)
    return fail(Code::kNotFound,
                fmt::format("{} has no root document; make one with portolan release root", tree.string()));
  return decode_root(envelope->document);
}

Result<std::optional<Manifest>> published_manifest(const fs::path& tree, std::string_view channel) {
  PL_CHECK(check_channel(channel));
  PL_TRY(const auto envelope, read_envelope(Kind::kManifest, tree / manifest_path(channel)));
  if (!envelope) return std::optional<Manifest>();
  PL_TRY(auto manifest, decode_manifest(envelope->document));
  return std::optional(std::move(manifest));
}

Result<Envelope> plan_root(const fs::path& tree, const RootPlan& plan) {
  Root root{std::string(kRootFormat), 1, plan.expires, plan.root, plan.release};
  PL_TRY(const auto before, read_envelope(Kind::kRoot, tree / kRootPath));
  if (before) {
    PL_TRY(const Root current, decode_root(before->document));
    root.version = current.version + 1;
  }
  Envelope out{json::encode(root), {}};
  PL_CHECK(decode_root(out.document));
  return out;
}

Result<Envelope> plan_release(const fs::path& tree, const ReleasePlan& plan, WallTime now, std::chrono::seconds life) {
  PL_CHECK(Version::parse(plan.version));
  PL_TRY(const auto before, published_manifest(tree, plan.channel));
  PL_TRY(auto release, release_of(tree, plan, before, now));
  Manifest manifest{std::string(kManifestFormat), plan.channel, 1, now, now + life, "0.0.0", {std::move(release)}};
  if (before) {
    manifest.sequence = before->sequence + 1;
    manifest.minimum_version = before->minimum_version;
    for (const Release& old : before->releases)
      if (old.version != plan.version) manifest.releases.push_back(old);
  }
  if (plan.minimum_version) manifest.minimum_version = *plan.minimum_version;
  const auto newer = [](const Release& a, const Release& b) {
    return *Version::parse(a.version) > *Version::parse(b.version);
  };
  std::ranges::sort(manifest.releases, newer);
  if (manifest.releases.size() > plan.keep) manifest.releases.resize(plan.keep);
  const auto has_it = std::ranges::find(manifest.releases, plan.version, &Release::version);
  if (has_it == manifest.releases.end())
    return fail(Code::kInvalid, fmt::format("{} is older than all {} releases that are kept", plan.version, plan.keep));
  Envelope out{json::encode(manifest), {}};
  PL_CHECK(decode_manifest(out.document));
  return out;
}

Result<Kind> kind_of(const Envelope& envelope) {
  PL_TRY(const auto value, json::parse(envelope.document));
  const auto* object = value.if_object();
  const auto* format = object ? object->if_contains("format") : nullptr;
  if (format && format->is_string()) {
    if (format->get_string() == kRootFormat) return Kind::kRoot;
    if (format->get_string() == kManifestFormat) return Kind::kManifest;
  }
  return fail(Code::kInvalid, "neither a root document nor a manifest", "unknown_format");
}

Result<std::string> publish(const fs::path& tree, const Envelope& envelope, WallTime now) {
  PL_TRY(const Kind kind, kind_of(envelope));
  return kind == Kind::kRoot ? publish_root(tree, envelope, now) : publish_manifest(tree, envelope, now);
}

}  // namespace portolan::update
