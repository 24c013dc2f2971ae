#include "update/updater.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/log.h"
#include "update/publish.h"

namespace portolan::update {
namespace {

constexpr std::string_view kLockFile = "update.lock";
constexpr std::uint64_t kMostSteps = 1024;  // root documents in one go

std::unexpected<Error> nothing_there(const Source& source, std::string_view what) {
  return fail(Code::kNotFound, fmt::format("{} has no {}: are these Portolan's downloads?", source.host(), what));
}

}  // namespace

Updater::Updater(UpdaterOptions options, Source& source, const Clock& clock, FolderLock lock, State state)
    : options_(std::move(options)), source_(source), clock_(clock), lock_(std::move(lock)), state_(std::move(state)) {}

Result<std::unique_ptr<Updater>> Updater::open(UpdaterOptions options, Source& source, const Clock& clock) {
  PL_CHECK(check_channel(options.channel));
  PL_CHECK(make_folder(options.state_folder, Privacy::kPrivate));
  PL_TRY(auto lock, FolderLock::take(options.state_folder, kLockFile));
  PL_TRY(auto state, load_state(options.state_folder / kStateFile));
  return std::unique_ptr<Updater>(new Updater(std::move(options), source, clock, std::move(lock), std::move(state)));
}

Result<> Updater::save() const { return save_state(options_.state_folder / kStateFile, state_); }

bool Updater::is_of_anchor(const Root& root) const {
  const auto& keys = root.root.keys;
  return std::ranges::any_of(options_.anchor.keys,
                             [&](const std::string& key) { return std::ranges::find(keys, key) != keys.end(); });
}

// The first of the tree's root documents that the anchor has signed: those before it are of keys that were replaced
// before this program was built.
net::Task<Result<Root>> Updater::begin_with_anchor() {
  Error why{Code::kNotFound, ""};
  for (std::uint64_t version = 1; version <= kMostSteps; ++version) {
    CO_TRY(const auto envelope, co_await source_.document(root_path(version), kRootLimit));
    if (!envelope) break;
    auto root = first_root(options_.anchor, *envelope);
    if (root && root->version != version)
      co_return fail(Code::kDenied,
                     fmt::format("{} gives root document {} for {}", source_.host(), root->version, version));
    if (root) {
      state_.root = *envelope;
      co_return root;
    }
    why = std::move(root).error();
  }
  if (why.message.empty()) co_return nothing_there(source_, "root document");
  co_return std::unexpected(std::move(why).within(source_.host()));
}

net::Task<Result<Root>> Updater::newest_root() {
  std::optional<Root> current;
  if (state_.root) {
    CO_TRY(const Envelope kept, decode_envelope(Kind::kRoot, *state_.root));
    CO_TRY(current, decode_root(kept.document));
    // Other root keys were given, which these documents have nothing to do with: another maker of releases.
    if (!is_of_anchor(*current)) {
      current.reset();
      state_.channels.clear();
      state_.newest.reset();
    }
  }
  if (!current) {
    CO_TRY(current, co_await begin_with_anchor());
  }
  for (std::uint64_t step = 0; step < kMostSteps; ++step) {
    CO_TRY(const auto envelope, co_await source_.document(root_path(current->version + 1), kRootLimit));
    if (!envelope) break;
    CO_TRY(current, next_root(*current, *envelope));
    state_.root = *envelope;
  }
  CO_CHECK(save());
  CO_CHECK(check_time(*current, not_before(state_, clock_.wall())));
  co_return std::move(*current);
}

net::Task<Result<Found>> Updater::check() {
  CO_TRY(const Root root, co_await newest_root());
  CO_TRY(const auto envelope, co_await source_.document(manifest_path(options_.channel), kManifestLimit));
  if (!envelope) co_return nothing_there(source_, "channel " + options_.channel);
  CO_TRY(auto manifest, open_manifest(root, options_.channel, *envelope, not_before(state_, clock_.wall())));
  CO_TRY(const Envelope opened, decode_envelope(Kind::kManifest, *envelope));
  CO_CHECK(remember(state_, manifest, opened.document));
  CO_CHECK(save());
  Installation installation{options_.version};
  installation.id = state_.installation;
  installation.policy = options_.policy;
  installation.rollout = options_.rollout;
  if (!options_.retry_failed)
    for (const auto& [version, why] : state_.failed) installation.failed.insert(version);
  const Choice choice = choose(manifest, installation);
  Found found;
  found.verdict = choice.verdict;
  found.required = choice.required;
  if (choice.release) {
    CO_TRY(found.version, Version::parse(choice.release->version));
    found.file = *choice.file;
    found.notes = choice.release->notes;
  }
  found.manifest = std::move(manifest);
  co_return found;
}

net::Task<Result<>> Updater::fetch(Found found, Progress progress) {
  if (found.verdict != Verdict::kUpdate || !found.file || !found.version)
    co_return fail(Code::kInvalid, "there is nothing to install");
  CO_CHECK(check_replaceable(options_.place));
  remove_parts(options_.place, found.version->text());
  const auto part = part_of(options_.place, *found.version);
  co_return co_await download(source_, *found.file, part, options_.limits, std::move(progress));
}

Result<> Updater::install(const Found& found, After after) {
  if (!found.version || !found.file) return fail(Code::kInvalid, "there is nothing to install");
  const auto part = part_of(options_.place, *found.version);
  PL_CHECK(check_part(part, *found.file));
  auto installed = update::install(options_.place, part, *found.version);
  if (installed) {
    state_.previous = options_.version.text();
    state_.failed.erase(found.version->text());
    if (after == After::kTrial) state_.trial = Trial{found.version->text(), 0};
  } else if (installed.error().reason == kDoesNotStart) {
    state_.failed[found.version->text()] = installed.error().message;
  }
  const auto saved = save();
  if (!saved) log::warn("cannot remember the update", {{"error", saved.error()}});
  return installed;
}

Result<std::string> Updater::go_back() {
  PL_CHECK(check_replaceable(options_.place));
  PL_TRY(auto version, update::go_back(options_.place));
  state_.failed[options_.version.text()] = "left by going back to " + version;
  state_.failed.erase(version);
  state_.previous = options_.version.text();
  state_.trial.reset();
  PL_CHECK(save());
  return version;
}

}  // namespace portolan::update
