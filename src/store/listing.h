// A part of a list that only grows: what directory activities, audit sessions and queries are read by.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace portolan::store {

// Entries are numbered in order of their commits, so a reader that goes on after a cursor misses none.
struct Part {
  std::optional<std::uint64_t> after =
      {};                   // from the first entry behind this cursor; absent: the newest `limit` ones. 0: the oldest
  std::size_t limit = 100;  // cut to kMostEntries
};
inline constexpr std::size_t kMostEntries = 10'000;

template <class T>
struct Listed {
  std::vector<T> items;      // oldest first
  std::uint64_t cursor = 0;  // go on after this
  bool more = false;         // the limit cut the list: there is more after `cursor` (going on from `after` only)
};

}  // namespace portolan::store
