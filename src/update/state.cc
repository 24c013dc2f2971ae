#include "update/state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "crypto/hash.h"

namespace portolan::update {
namespace {

constexpr std::string_view kFormat = "portolan-update-state-1";
constexpr std::size_t kLimit = 1024 * 1024;
constexpr std::size_t kMostFailed = 32;

Result<State> decoded(std::string_view text) {
  // A later version, which was left by going back, may have written more.
  PL_TRY(auto state, json::decode<State>(text, json::Unknown::kIgnore));
  if (state.format != kFormat)
    return fail(Code::kInvalid, "a format that this release does not know: " + quoted(state.format));
  return state;
}

}  // namespace

Result<State> load_state(const std::filesystem::path& file) {
  const auto text = read_private_file(file, kLimit);
  if (!text && text.error().code == Code::kNotFound) {
    State fresh;
    fresh.format = kFormat;
    fresh.installation = make_token(12);
    return fresh;
  }
  if (!text) return std::unexpected(text.error());
  auto state = decoded(*text);
  if (!state)
    return std::unexpected(std::move(state).error().within(fmt::format(
        "{} is damaged; it guards against old releases, so remove it only if you know why", file.string())));
  return state;
}

Result<> save_state(const std::filesystem::path& file, const State& state) {
  if (file.has_parent_path()) PL_CHECK(make_folder(file.parent_path(), Privacy::kPrivate));
  State kept = state;
  while (kept.failed.size() > kMostFailed) kept.failed.erase(kept.failed.begin());
  return write_file(file, json::encode(kept) + "\n", Privacy::kPrivate);
}

Result<> remember(State& state, const Manifest& manifest, std::string_view document) {
  const std::string sha256 = hex(crypto::sha256(as_bytes(document)));
  SeenChannel& seen = state.channels[manifest.channel];
  if (manifest.sequence < seen.sequence)
    return fail(
        Code::kDenied,
        fmt::format("the downloads server gives out manifest {} of the channel {}, but {} was there before: old "
                    "releases are not taken",
                    manifest.sequence, manifest.channel, seen.sequence),
        "rollback");
  if (manifest.sequence == seen.sequence && sha256 != seen.sha256)
    return fail(
        Code::kDenied,
        fmt::format("there are two different manifests {} of the channel {}", manifest.sequence, manifest.channel),
        "equivocation");
  seen = {manifest.sequence, sha256};
  state.newest = std::max(state.newest.value_or(manifest.made), manifest.made);
  return {};
}

WallTime not_before(const State& state, WallTime now) { return std::max(now, state.newest.value_or(now)); }

}  // namespace portolan::update
