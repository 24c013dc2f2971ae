#include "net/stop.h"

#include <utility>

namespace portolan::net {

StopSignal::Listener::Listener(Listener&& other) noexcept
    : signal_(std::exchange(other.signal_, nullptr)), id_(other.id_) {}

StopSignal::Listener& StopSignal::Listener::operator=(Listener&& other) noexcept {
  if (this != &other) {
    reset();
    signal_ = std::exchange(other.signal_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void StopSignal::Listener::reset() {
  if (auto* signal = std::exchange(signal_, nullptr)) signal->listeners_.erase(id_);
}

void StopSignal::stop(Error reason) {
  if (reason_) return;
  reason_ = std::move(reason);
  // A listener may forget others, or itself.
  while (!listeners_.empty()) {
    auto first = listeners_.extract(listeners_.begin());
    first.mapped()(*reason_);
  }
}

StopSignal::Listener StopSignal::listen(std::move_only_function<void(const Error&)> listener) {
  Listener handle;
  if (reason_) {
    listener(*reason_);
    return handle;
  }
  handle.signal_ = this;
  handle.id_ = next_++;
  listeners_.emplace(handle.id_, std::move(listener));
  return handle;
}

}  // namespace portolan::net
