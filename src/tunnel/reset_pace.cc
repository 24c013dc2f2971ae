#include "tunnel/reset_pace.h"

#include <algorithm>

namespace portolan::tunnel {
namespace {

// Of the time between two pings: longer ones may hold time in which the acceptor had nothing left to give.
constexpr std::chrono::seconds kLongest{1};

}  // namespace

bool ResetPace::take() {
  if (left_ < 1) return false;
  --left_;
  if (left_ < kAtOnce / 2) recovering_ = true;
  return true;
}

bool ResetPace::ping_is_due(BootTime now) const {
  return recovering_ && !sent_ && (!answered_ || now - *answered_ >= kEvery);
}

void ResetPace::answered(BootTime now) {
  if (!sent_) return;
  if (answered_) {
    const auto passed = std::clamp<std::chrono::nanoseconds>(*sent_ - *answered_, {}, kLongest);
    left_ = std::min(kAtOnce, left_ + std::chrono::duration<double>(passed).count() * kPerSecond);
  }
  answered_ = now;
  sent_.reset();
  if (left_ < kAtOnce) return;
  recovering_ = false;
  answered_.reset();
}

}  // namespace portolan::tunnel
