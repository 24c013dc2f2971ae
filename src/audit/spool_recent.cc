#include "audit/spool_recent.h"

#include <algorithm>
#include <utility>

namespace portolan::audit {
namespace {

// Kept for the next lines: memory that comes and goes costs a page fault for each page.
constexpr std::size_t kKept = 256 * 1024;

}  // namespace

void RecentLines::add(std::uint64_t segment, std::uint64_t begin, std::uint64_t end, std::string_view handed) {
  const bool follows = segment == segment_ && begin == (places_.empty() ? begin_ : places_.back().end);
  if (!follows || lines_.size() - gone_ + handed.size() >= limit_) {
    segment_ = segment;
    begin_ = begin;
    gone_ = 0;
    lines_.clear();
    places_.clear();
  }
  if (handed.size() >= limit_) {
    begin_ = end;
    return;
  }
  lines_ += handed;
  lines_ += '\n';
  places_.push_back({end, lines_.size()});
}

std::optional<Scan> RecentLines::from(std::uint64_t segment, std::uint64_t begin, std::uint64_t end,
                                      std::size_t limit) const {
  if (segment != segment_ || begin < begin_ || places_.empty()) return std::nullopt;
  auto at = begin == begin_ ? places_.begin() : std::ranges::upper_bound(places_, begin, {}, &Place::end);
  const std::size_t first = at == places_.begin() ? gone_ : std::prev(at)->end_here;
  // Where another line begins nothing begins here: whoever asks has it from elsewhere.
  if (begin != (at == places_.begin() ? begin_ : std::prev(at)->end)) return std::nullopt;
  Scan out;
  std::size_t last = first;
  for (; at != places_.end() && at->end <= end && out.count < limit; ++at) {
    if (out.count > 0 && at->end_here - first > kLineLimit) break;
    last = out.count == 0 ? first : std::prev(at)->end_here;
    ++out.count;
  }
  if (out.count == 0) return std::nullopt;
  const Place& newest = *std::prev(at);
  auto parsed = parse_handed(std::string_view(lines_).substr(last, newest.end_here - 1 - last));
  if (!parsed) return std::nullopt;
  out.last = std::move(parsed->point);
  out.lines = lines_.substr(first, newest.end_here - first);
  out.used = newest.end - begin;
  return out;
}

void RecentLines::drop(std::uint64_t segment, std::uint64_t end) {
  if (segment != segment_) return;
  while (!places_.empty() && places_.front().end <= end) {
    begin_ = places_.front().end;
    gone_ = places_.front().end_here;
    places_.pop_front();
  }
  if (places_.empty()) {
    gone_ = 0;
    lines_.clear();
    if (lines_.capacity() > kKept) lines_.shrink_to_fit();
  } else if (gone_ > kKept) {
    lines_.erase(0, gone_);
    for (Place& place : places_) place.end_here -= gone_;
    gone_ = 0;
  }
}

}  // namespace portolan::audit
