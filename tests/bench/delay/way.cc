#include "way.h"

#include <algorithm>
#include <utility>

#include "tun.h"

namespace portolan::delay {
namespace {

constexpr std::size_t kMostHeld = std::size_t{256} << 20;  // 5 Gbit/s for 400 ms

}  // namespace

bool Way::admit(std::size_t size, Moment now, Moment& due) {
  if (settings_.cut == cut_ || settings_.cut == Cut::kBoth ||
      (settings_.black_hole != 0 && size > settings_.black_hole))
    return ++counts.cut, false;
  if (chance(settings_.loss)) return ++counts.lost, false;
  const Moment left = sent(size, now);
  if (left == Moment::max() || held_ + size > kMostHeld) return ++counts.dropped, false;
  if (chance(settings_.reorder)) return due = now, true;
  due = left + settings_.delay;
  if (settings_.jitter.count() > 0)
    due += std::chrono::nanoseconds(
        static_cast<std::int64_t>(share_(random_) * static_cast<double>(settings_.jitter.count())));
  due = last_due_ = std::max(due, last_due_);
  return true;
}

Moment Way::sent(std::size_t size, Moment now) {
  if (settings_.bits_per_second == 0) return now;
  const auto time_of = [&](std::size_t bytes) {
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(bytes) * 8e9 / settings_.bits_per_second));
  };
  const Moment begins = std::max(now, line_free_);
  if (begins - now > time_of(settings_.queue)) return Moment::max();
  return line_free_ = begins + time_of(size);
}

void Way::keep(Packet packet, Moment now) {
  held_ += packet.size;
  (packet.due <= now ? ahead_ : waiting_).push_back(std::move(packet));
}

Moment Way::next() const {
  const Moment first = waiting_.empty() ? Moment::max() : waiting_.front().due;
  return ahead_.empty() ? first : std::min(first, ahead_.front().due);
}

Packet Way::release(Moment now) {
  if (next() > now) return {};
  std::deque<Packet>& from = ahead_.empty() ? waiting_ : ahead_;
  Packet out = std::move(from.front());
  from.pop_front();
  held_ -= out.size;
  ++counts.passed;
  counts.bytes += out.size - kHeader;
  return out;
}

}  // namespace portolan::delay
