#include "control/changes.h"

#include <utility>

namespace portolan::control {

void Changes::append(std::uint64_t revision, std::vector<store::Touched> touched) {
  const std::lock_guard lock(mutex_);
  // A gap: somebody else has written the database, or it was loaded anew.
  if (!entries_.empty() && entries_.back().revision + 1 != revision) {
    entries_.clear();
    touched_ = 0;
  }
  touched_ += touched.size();
  entries_.push_back({revision, std::make_shared<const std::vector<store::Touched>>(std::move(touched))});
  while (touched_ > kTouchedLimit && !entries_.empty()) {
    touched_ -= entries_.front().touched->size();
    entries_.pop_front();
  }
}

std::optional<std::vector<Changes::Step>> Changes::since(std::uint64_t from, std::uint64_t to) const {
  const std::lock_guard lock(mutex_);
  std::vector<Step> steps;
  if (from == to) return steps;
  if (from > to || entries_.empty() || entries_.front().revision > from + 1 || entries_.back().revision < to)
    return std::nullopt;
  for (const auto& entry : entries_)
    if (entry.revision > from && entry.revision <= to) steps.push_back(entry.touched);
  return steps;
}

}  // namespace portolan::control
