#include "store/snapshots.h"

namespace portolan::store {
namespace {

constexpr std::size_t kShelved = 2;      // one for the next change, one for when a change fails half-way
constexpr std::size_t kSteps = 64;       // beyond these, copying is as cheap
constexpr std::size_t kStepEdits = 512;  // a larger step is not kept: it would hold copies of many objects

}  // namespace

std::shared_ptr<const directory::Snapshot> Snapshots::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::unique_ptr<directory::Snapshot> Snapshots::writable() {
  const auto now = current();
  std::unique_ptr<directory::Snapshot> taken;
  {
    const std::lock_guard lock(shelf_->mutex);
    if (!shelf_->snapshots.empty()) {
      taken = std::move(shelf_->snapshots.back());
      shelf_->snapshots.pop_back();
    }
  }
  const bool reachable = taken && (taken->revision == now->revision ||
                                   (!steps_.empty() && steps_.front().revision <= taken->revision + 1));
  if (!reachable) return std::make_unique<directory::Snapshot>(*now);
  for (const Step& step : steps_) {
    if (step.revision <= taken->revision) continue;
    for (const Edit& edit : step.edits) edit(*taken);
  }
  taken->revision = now->revision;
  return taken;
}

void Snapshots::publish(std::unique_ptr<directory::Snapshot> next, std::vector<Edit> edits) {
  if (edits.size() > kStepEdits) {
    steps_.clear();
  } else {
    steps_.push_back({next->revision, std::move(edits)});
    if (steps_.size() > kSteps) steps_.pop_front();
  }
  set_current(std::move(next));
}

void Snapshots::replace(directory::Snapshot snapshot) {
  // A shelf of its own: what readers of older snapshots leave later belongs to another history.
  shelf_ = std::make_shared<Shelf>();
  steps_.clear();
  set_current(std::make_unique<directory::Snapshot>(std::move(snapshot)));
}

void Snapshots::set_current(std::unique_ptr<directory::Snapshot> snapshot) {
  const auto leave = [shelf = shelf_](const directory::Snapshot* done) {
    std::unique_ptr<directory::Snapshot> owned(const_cast<directory::Snapshot*>(done));
    const std::lock_guard lock(shelf->mutex);
    if (shelf->snapshots.size() < kShelved) shelf->snapshots.push_back(std::move(owned));
  };
  std::shared_ptr<const directory::Snapshot> next(snapshot.release(), leave);
  const std::lock_guard lock(mutex_);
  current_.swap(next);
}

}  // namespace portolan::store
