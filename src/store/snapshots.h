// The current snapshot and the way to the next one. Copying a directory of ten thousand resources for every sign-in
// would cost milliseconds each; so a snapshot that its last reader lets go of is kept, brought up to date by the edits
// made since, and becomes the next one. Only when readers hold all older ones is a copy made. Internal to store/.
//
// current() is for any thread, the rest for the one writer. Snapshots may outlive this object.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "directory/decision.h"

namespace portolan::store {

class Snapshots {
 public:
  using Edit = std::function<void(directory::Snapshot&)>;

  explicit Snapshots(directory::Snapshot first) { replace(std::move(first)); }

  std::shared_ptr<const directory::Snapshot> current() const;
  // A snapshot equal to the current one, for the writer to edit.
  std::unique_ptr<directory::Snapshot> writable();
  // `next` is the current snapshot after `edits`, with the revision that follows it.
  void publish(std::unique_ptr<directory::Snapshot> next, std::vector<Edit> edits);
  // For a snapshot that came about in any other way.
  void replace(directory::Snapshot snapshot);

 private:
  // Where readers' last references leave snapshots. Shared with their deleters.
  struct Shelf {
    std::mutex mutex;
    std::vector<std::unique_ptr<directory::Snapshot>> snapshots;
  };
  struct Step {
    std::uint64_t revision;  // that it leads to
    std::vector<Edit> edits;
  };
  void set_current(std::unique_ptr<directory::Snapshot> snapshot);

  mutable std::mutex mutex_;  // of current_
  std::shared_ptr<const directory::Snapshot> current_;
  std::shared_ptr<Shelf> shelf_;
  std::deque<Step> steps_;  // the latest ones, in order
};

}  // namespace portolan::store
