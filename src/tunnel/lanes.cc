#include "tunnel/lanes.h"

#include <algorithm>

namespace portolan::tunnel {
namespace {

// A frame with its head is at most that long.
constexpr std::uint64_t kUnit = 16 * 1024;
// After so much of the first lane a frame of bulk goes: many who want little must not stop those who want much.
constexpr std::size_t kOvertaking = 64 * 1024;

}  // namespace

void Lanes::append(Lane lane, ByteView head, ByteView payload) {
  Side& here = side(lane);
  const std::uint64_t begin = here.bytes.appended();
  here.bytes.append(head);
  here.bytes.append(payload);
  const std::uint64_t end = here.bytes.appended();
  if (end == begin) return;
  const std::uint64_t after = first().bytes.appended();
  if (here.units.empty()) {
    here.start = begin;
    here.units.push_back({end, after});
    return;
  }
  const bool begun = here.units.size() == 1 && here.begun();
  const std::uint64_t last = here.units.size() == 1 ? here.start : here.units[here.units.size() - 2].end;
  if (!begun && end - last <= kUnit)
    here.units.back() = {end, after};
  else
    here.units.push_back({end, after});
}

Lane Lanes::next() const {
  if (bulk().bytes.empty()) return Lane::kFirst;
  if (first().bytes.empty() || bulk().begun()) return Lane::kBulk;
  if (first().begun() || overtaken_ < kOvertaking) return Lane::kFirst;
  return bulk().units.front().after <= first().bytes.flushed() ? Lane::kBulk : Lane::kFirst;
}

ByteView Lanes::front() const {
  const Lane lane = next();
  const Side& here = side(lane);
  const ByteView all = here.bytes.front();
  const Lane other = lane == Lane::kFirst ? Lane::kBulk : Lane::kFirst;
  if (side(other).bytes.empty()) return all;
  return all.first(std::min<std::size_t>(all.size(), here.units.front().end - here.bytes.flushed()));
}

void Lanes::consume(std::size_t n) {
  const Lane lane = next();
  Side& here = side(lane);
  here.bytes.consume(n);
  while (!here.units.empty() && here.units.front().end <= here.bytes.flushed()) {
    here.start = here.units.front().end;
    here.units.pop_front();
  }
  overtaken_ = lane == Lane::kFirst && !bulk().bytes.empty() ? overtaken_ + n : 0;
}

}  // namespace portolan::tunnel
