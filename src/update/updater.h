// What `portolan update`, and later a node in its window, does: learn what there is, choose, download, install.
//
// In the order of TUF (theupdateframework.github.io/specification): root documents one after the other, each signed by
// the one before; the newest not expired; the manifest signed by its release keys, of the right channel, not expired,
// not older than any seen before; then the file, of the signed size and hash. Each step is remembered before the next
// begins, so that nobody can lead us back by breaking off. docs/guide/releases.md has the attacks that this covers.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "update/choice.h"
#include "update/download.h"
#include "update/install.h"
#include "update/state.h"

namespace portolan::update {

struct UpdaterOptions {
  KeySet anchor;  // builtin_anchor(), or that of the operator's own releases
  std::string channel = "stable";
  std::filesystem::path state_folder;  // of mode 0700; update.json and a lock
  Place place;                         // the program to replace
  Version version;                     // which it is
  Policy policy = {};
  Rollout rollout = Rollout::kWait;
  bool retry_failed = false;  // also versions that did not start here once
  DownloadLimits limits = {};
};

// What the channel has for this installation.
struct Found {
  Manifest manifest;
  Verdict verdict = Verdict::kCurrent;
  std::optional<Version> version = {};  // of the release that the verdict is about
  std::optional<File> file = {};
  std::optional<std::string> notes = {};
  bool required = false;  // what is installed is below the minimum
};

// One process at a time works on an installation; one loop.
class Updater {
 public:
  // Code::kConflict if another process is at it. `source` and `clock` outlive it.
  static Result<std::unique_ptr<Updater>> open(UpdaterOptions options, Source& source, const Clock& clock);

  // Asks the source, verifies, remembers.
  net::Task<Result<Found>> check();
  // Downloads what check() has found (Verdict::kUpdate), so that install() needs no network.
  net::Task<Result<>> fetch(Found found, Progress progress);
  // Puts what was fetched in the program's place. Blocks while it runs the new program (Place::start_limit).
  enum class After { kNothing, kTrial /* see trial.h */ };
  Result<> install(const Found& found, After after);
  // Puts the program before back in its place, which needs no network; its version. The version that is left is noted
  // as failed, so that it does not come back by itself.
  Result<std::string> go_back();

 private:
  Updater(UpdaterOptions options, Source& source, const Clock& clock, FolderLock lock, State state);
  net::Task<Result<Root>> newest_root();
  net::Task<Result<Root>> begin_with_anchor();
  bool is_of_anchor(const Root& root) const;
  Result<> save() const;

  UpdaterOptions options_;
  Source& source_;
  const Clock& clock_;
  FolderLock lock_;
  State state_;
};

}  // namespace portolan::update
