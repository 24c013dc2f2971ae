#include "tunnel/windows.h"

#include <algorithm>
#include <utility>

namespace portolan::tunnel {
namespace {

// Credit goes back in steps of this part of the window: at half a window, which is nghttp2's own habit, the second half
// of every window waits for a round trip.
constexpr std::uint32_t kSteps = 8;
// Between two measurements, so that a short way does not cost a ping for every few blocks.
constexpr std::chrono::milliseconds kPause{20};
// Longer was no round trip: a pipe has waited for a link meanwhile, or the peer stood still.
constexpr std::chrono::seconds kLongest{2};
// A window is taken back where there is no room for it, and grows only where there is room for so many of what it
// gains.
constexpr std::size_t kSpare = 4;

}  // namespace

void Windows::close(Window& window) {
  want(window, false);
  resize(window, limits_.first);
}

bool Windows::arrived(Window& window, std::size_t n, BootTime now) {
  window.credit -= static_cast<std::int64_t>(n);
  window.unmeasured += n;
  const bool begins =
      !measuring_ && limits_.largest > limits_.first && now >= next_ && window.unmeasured >= limits_.first / kSteps;
  if (begins) {
    measuring_ = true;
    ++round_;
    began_ = now;
  }
  if (!measuring_) return false;
  if (window.round != round_) {
    show(window);
    window.round = round_;
    window.arrived = 0;
    window.unmeasured = 0;
  }
  window.arrived += n;
  return begins;
}

void Windows::answered(BootTime now) {
  if (!measuring_) return;
  measuring_ = false;
  if (now - began_ <= kLongest) over_ = round_;
  next_ = now + std::max<std::chrono::nanoseconds>(kPause, (now - began_) / 8);
}

void Windows::show(Window& window) const {
  if (window.round == over_ && window.arrived > 0) window.shown = std::exchange(window.arrived, 0);
}

std::uint32_t Windows::credit(Window& window, std::size_t waiting, Room room) {
  judge(window, waiting, room);
  if (window.size > limits_.first && room.left < window.size)
    resize(window, std::max(limits_.first, window.size / 2));
  else if (window.size > fair())
    resize(window, std::max(fair(), window.size / 2));
  const std::int64_t due = window.size - window.credit - static_cast<std::int64_t>(waiting);
  if (due < std::max<std::int64_t>(window.size / kSteps, 1)) return 0;
  window.credit += due;
  return static_cast<std::uint32_t>(due);
}

// What the last round trip has shown, once the reader has caught up.
void Windows::judge(Window& window, std::size_t waiting, Room room) {
  show(window);
  if (window.shown == 0 || waiting > window.size / kSteps) return;
  const std::uint64_t arrived = std::exchange(window.shown, 0);
  if (arrived < window.size / 2) {
    if (arrived >= window.size / kSteps) return;
    want(window, false);
    if (wanting_ > 0) resize(window, std::max(limits_.first, window.size / 2));
    return;
  }
  want(window, true);
  const std::uint64_t wanted = std::max<std::uint64_t>(std::uint64_t{window.size} * 2, arrived * 2);
  const std::size_t growth =
      std::min({limits_.grown - std::min(limits_.grown, grown_), room.growth, room.left / kSpare});
  const std::uint64_t most = std::min({wanted, std::uint64_t{window.size} + growth, std::uint64_t{fair()}});
  if (most > window.size) resize(window, static_cast<std::uint32_t>(most));
}

// What each of those who want more may have.
std::uint32_t Windows::fair() const {
  const std::size_t share = limits_.grown / std::max<std::size_t>(wanting_, 1);
  return static_cast<std::uint32_t>(std::min<std::size_t>(limits_.largest, limits_.first + share));
}

void Windows::want(Window& window, bool wants) {
  if (std::exchange(window.wants, wants) == wants) return;
  wanting_ += wants ? 1 : 0;
  wanting_ -= wants ? 0 : 1;
}

void Windows::resize(Window& window, std::uint32_t size) {
  grown_ += size;
  grown_ -= window.size;
  window.size = size;
}

}  // namespace portolan::tunnel
