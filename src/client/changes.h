// Who looks on while the agent works: whatever changes its status notes it here, and watchers wake and look for
// themselves. Many changes between two looks are one.
#pragma once
#include <chrono>
#include <set>

#include "net/event.h"
#include "net/http/server.h"
#include "net/task.h"

namespace portolan::client {

// One loop. Outlives its watchers.
class Changes {
 public:
  explicit Changes(const net::Executor& executor) : executor_(executor) {}
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;

  void note();

  class Watcher {
   public:
    explicit Watcher(Changes& changes);
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    ~Watcher();
    // Until something has changed since the last wait: true; or `limit`: false. Code::kEof when the reader has gone.
    net::Task<Result<bool>> wait(std::chrono::milliseconds limit);
    // For a companion of the task that waits: notes when the reader goes.
    static net::Task<> note_closing(net::http::Sink& sink, Watcher& watcher);

   private:
    friend class Changes;
    Changes& changes_;
    net::Event event_;
    bool woken_ = false;
    bool gone_ = false;
  };
  std::size_t watchers() const { return watchers_.size(); }

 private:
  net::Executor executor_;
  std::set<Watcher*> watchers_;
};

}  // namespace portolan::client
