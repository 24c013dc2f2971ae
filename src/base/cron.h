// When something may begin: minutes, by the five fields of crontab(5), in UTC.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace portolan {

class Cron {
 public:
  // "MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK", between them spaces: 0-59, 0-23, 1-31, 1-12, 0-7 (0 and 7 are
  // Sunday). Each is a list, with commas, of numbers, ranges (2-5), and * for all; behind a range or * may be a step
  // (*/15). If neither day has a *, one that fits is enough, as with cron. No names. Code::kInvalid says which field is
  // wrong; also for what never comes, as 30 February.
  static Result<Cron> parse(std::string_view text);

  // Whether the minute that it lies in is one of them.
  bool matches(WallTime time) const;
  // The beginning of the first of them that is not before `from`; nothing if none comes within eight years.
  std::optional<WallTime> next(WallTime from) const;

 private:
  Cron() = default;
  bool matches(std::chrono::sys_days day) const;
  bool has(std::size_t field, unsigned number) const { return (fields_.at(field) >> number & 1U) != 0; }

  std::array<std::uint64_t, 5> fields_{};  // bit n: the number n
  bool either_day_ = false;
};

}  // namespace portolan
