#include "client/changes.h"

namespace portolan::client {

void Changes::note() {
  for (Watcher* watcher : watchers_) {
    watcher->woken_ = true;
    watcher->event_.set();
  }
}

Changes::Watcher::Watcher(Changes& changes) : changes_(changes), event_(changes.executor_) {
  changes_.watchers_.insert(this);
}

Changes::Watcher::~Watcher() { changes_.watchers_.erase(this); }

net::Task<Result<bool>> Changes::Watcher::wait(std::chrono::milliseconds limit) {
  if (!woken_ && !gone_) {
    const auto waited = co_await event_.wait(limit);
    if (!waited && waited.error().code != Code::kTimeout) co_return std::unexpected(waited.error());
  }
  if (gone_) co_return fail(Code::kEof, "the reader has gone");
  co_return std::exchange(woken_, false);
}

net::Task<> Changes::Watcher::note_closing(net::http::Sink& sink, Watcher& watcher) {
  const auto closed = co_await sink.closed();
  if (!closed && closed.error().code == Code::kCancelled) co_return;
  watcher.gone_ = true;
  watcher.event_.set();
}

}  // namespace portolan::client
