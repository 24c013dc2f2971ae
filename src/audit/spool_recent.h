// The end of the segment that is appended to, in memory, as it is handed over: a reader that keeps up reads no file and
// opens nothing that was sealed a moment ago.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "audit/spool_line.h"

namespace portolan::audit {

// No locks of its own.
class RecentLines {
 public:
  // Keeps lines of `limit` bytes in all. What does not fit makes it begin anew behind that.
  explicit RecentLines(std::size_t limit) : limit_(limit) {}

  // A line as it is handed over, without newline, and where it stands in the file: from `begin` up to `end`.
  void add(std::uint64_t segment, std::uint64_t begin, std::uint64_t end, std::string_view handed);
  // The lines that stand in the file from `begin` up to `end`: at most `limit` of them and one longest line's bytes, at
  // least one. None if the first is not here.
  std::optional<Scan> from(std::uint64_t segment, std::uint64_t begin, std::uint64_t end, std::size_t limit) const;
  // Those up to `end` are not asked for again.
  void drop(std::uint64_t segment, std::uint64_t end);

 private:
  struct Place {
    std::uint64_t end = 0;     // in the file
    std::size_t end_here = 0;  // in lines_
  };

  std::size_t limit_;
  std::uint64_t segment_ = 0;
  std::uint64_t begin_ = 0;  // in the file, of the first
  std::size_t gone_ = 0;     // bytes of lines_ whose lines have been dropped
  std::string lines_;        // each with its newline
  std::deque<Place> places_;
};

}  // namespace portolan::audit
