// Watches: streamed answers that go on with what changes. The hub wakes them; each looks at the newest state and sends
// what its reader has not seen, so that many changes become one view and a slow reader holds nothing here but its own
// place.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/event.h"
#include "net/http/server.h"
#include "net/task.h"

namespace portolan::control {

class Watch;

// kAgents and kHealth are woken with the directory, and by what raises no revision: nodes that come and go, and health.
enum class Topic { kDirectory, kAudit, kAgents, kHealth };

// One loop. Outlives its watches.
class Hub {
 public:
  explicit Hub(const net::Executor& executor);
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;
  ~Hub();

  // May be called on any thread, also after the hub's end: makes directory_changed() run on the loop.
  std::function<void()> notifier() const;
  // Runs the listeners (first: they revoke what is no longer allowed), then wakes the directory's watches.
  void directory_changed();
  void on_change(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }
  void wake(Topic topic);
  // Ends every watch in good order: the server stops.
  void close();
  bool closing() const { return closing_; }
  std::size_t watches() const { return watches_.size(); }
  const net::Executor& executor() const { return executor_; }

 private:
  friend class Watch;
  net::Executor executor_;
  std::vector<std::function<void()>> listeners_;
  std::set<Watch*> watches_;
  bool closing_ = false;
  std::shared_ptr<Hub*> self_;  // what notifiers refer to weakly
};

// One client's watch, for as long as its handler runs.
class Watch {
 public:
  Watch(Hub& hub, Topic topic);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();

  void wake();
  // Until woken since the last wait, or `limit`. Code::kEof when the client has gone or the server stops.
  net::Task<Result<>> wait(std::chrono::milliseconds limit);
  // For the handler's companion task: notes when the client goes.
  static net::Task<> note_closing(net::http::Sink& sink, Watch& watch);

 private:
  friend class Hub;
  Hub& hub_;
  const Topic topic_;
  net::Event event_;
  bool woken_ = false;
  bool gone_ = false;
};

// Writes the lines of a watch, one JSON object each, and knows when the reader must hear something.
class LineSender {
 public:
  LineSender(net::http::Sink& sink, const Clock& clock, std::chrono::milliseconds heartbeat)
      : sink_(sink), clock_(clock), heartbeat_(heartbeat) {}
  // The head of the answer.
  net::Task<Result<>> begin();
  net::Task<Result<>> send(std::string line);
  bool heartbeat_due() const { return until_heartbeat() <= std::chrono::milliseconds(0); }
  std::chrono::milliseconds until_heartbeat() const;

 private:
  net::http::Sink& sink_;
  const Clock& clock_;
  const std::chrono::milliseconds heartbeat_;
  BootTime last_{};
};

}  // namespace portolan::control
