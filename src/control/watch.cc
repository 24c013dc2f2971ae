#include "control/watch.h"

#include <utility>

#include "net/loop.h"

namespace portolan::control {

Hub::Hub(const net::Executor& executor) : executor_(executor), self_(std::make_shared<Hub*>(this)) {}
Hub::~Hub() = default;

std::function<void()> Hub::notifier() const {
  return [executor = executor_, weak = std::weak_ptr<Hub*>(self_)] {
    net::post(executor, [weak] {
      if (const auto hub = weak.lock()) (*hub)->directory_changed();
    });
  };
}

void Hub::directory_changed() {
  for (const auto& listener : listeners_) listener();
  for (const Topic topic : {Topic::kDirectory, Topic::kAgents, Topic::kHealth}) wake(topic);
}

void Hub::wake(Topic topic) {
  for (Watch* watch : watches_)
    if (watch->topic_ == topic) watch->wake();
}

void Hub::close() {
  closing_ = true;
  for (Watch* watch : watches_) watch->wake();
}

Watch::Watch(Hub& hub, Topic topic) : hub_(hub), topic_(topic), event_(hub.executor()) { hub_.watches_.insert(this); }
Watch::~Watch() { hub_.watches_.erase(this); }

void Watch::wake() {
  woken_ = true;
  event_.set();
}

net::Task<Result<>> Watch::wait(std::chrono::milliseconds limit) {
  if (!woken_ && !gone_ && !hub_.closing()) {
    auto waited = co_await event_.wait(limit);
    if (!waited && waited.error().code != Code::kTimeout) co_return waited;
  }
  woken_ = false;
  if (gone_) co_return fail(Code::kEof, "the client has gone");
  if (hub_.closing()) co_return fail(Code::kEof, "the server is stopping");
  co_return Result<>{};
}

net::Task<> Watch::note_closing(net::http::Sink& sink, Watch& watch) {
  const auto closed = co_await sink.closed();
  if (!closed && closed.error().code == Code::kCancelled) co_return;
  watch.gone_ = true;
  watch.wake();
}

net::Task<Result<>> LineSender::begin() {
  last_ = clock_.boot();
  co_return co_await sink_.begin({200, {{"content-type", "application/x-ndjson"}, {"cache-control", "no-store"}}, {}});
}

net::Task<Result<>> LineSender::send(std::string line) {
  line += '\n';
  auto sent = co_await sink_.send(line);
  last_ = clock_.boot();
  co_return sent;
}

std::chrono::milliseconds LineSender::until_heartbeat() const {
  return std::chrono::ceil<std::chrono::milliseconds>(last_ + heartbeat_ - clock_.boot());
}

}  // namespace portolan::control
