// A node that keeps itself up to date: within its window it asks for a release and downloads it while it serves; then
// it leaves as for a planned restart, the release is installed, and whoever supervises it starts the new program, which
// is on trial until it serves (update/trial.h).
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/cron.h"
#include "net/task.h"
#include "update/updater.h"

namespace portolan::cli {

struct NodeUpdateOptions {
  Cron window;                // an update may begin in these minutes, in UTC
  bool require_idle = false;  // and when nothing runs that a restart would end
  update::SourceOptions source;
  update::UpdaterOptions updater;
  std::chrono::milliseconds between = std::chrono::hours(1);         // two questions
  std::chrono::milliseconds most_jitter = std::chrono::seconds(30);  // so that not all nodes ask at once
};

// Outlives the node's loop: what it has downloaded is installed when that has ended.
class NodeUpdates {
 public:
  explicit NodeUpdates(NodeUpdateOptions options) : options_(std::move(options)) {}

  // Until a release is there to install; then it calls `on_staged`. Ends when its task is cancelled.
  net::Task<> follow(std::function<void()> on_staged);
  // Waits until `serves` is true, and ends a trial of this version then.
  net::Task<> confirm(std::function<bool()> serves);
  // A release is there, and now is a time to leave for it.
  bool may_begin(WallTime now, bool idle) const;
  bool staged() const { return staged_.has_value(); }
  // When the node has left. What fails is logged: the node is started again with the program that is there.
  void install();

 private:
  // Whether a release has been downloaded.
  net::Task<Result<bool>> look();

  NodeUpdateOptions options_;
  std::optional<update::Found> staged_;
};

}  // namespace portolan::cli
