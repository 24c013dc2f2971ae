#include "base/clock.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

namespace portolan {
namespace {

class RealClock : public Clock {
 public:
  WallTime wall() const override {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
  BootTime boot() const override {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return BootTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
  }
};

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<Unit, 5> kUnits = {{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

// Reads `digits` decimal digits at `at`, or gives -1.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

const Clock& Clock::real() {
  static const RealClock clock;
  return clock;
}

std::string to_rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string out = "0000-00-00T00:00:00.000Z";
  // Written by hand: every record bears a time, and a format text would cost as much as the rest of it.
  const auto put = [&out](std::size_t last, std::int64_t number) {
    for (; number > 0; number /= 10) out[last--] = static_cast<char>('0' + number % 10);
  };
  put(3, std::clamp(static_cast<int>(date.year()), 0, 9999));  // RFC 3339 knows no others
  put(6, static_cast<unsigned>(date.month()));
  put(9, static_cast<unsigned>(date.day()));
  put(12, clock.hours().count());
  put(15, clock.minutes().count());
  put(18, clock.seconds().count());
  put(22, clock.subseconds().count());
  return out;
}

Result<WallTime> from_rfc3339(std::string_view text) {
  const auto bad = [&] { return fail(Code::kInvalid, "not an RFC 3339 time in UTC: " + quoted(text)); };
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
    return bad();
  const int year = number_at(text, 0, 4), month = number_at(text, 5, 2), day = number_at(text, 8, 2);
  const int hour = number_at(text, 11, 2), minute = number_at(text, 14, 2), second = number_at(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 59)
    return bad();
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return bad();
  std::string_view tail = text.substr(19);
  int milliseconds = 0;
  if (tail.starts_with('.')) {
    tail.remove_prefix(1);
    int scale = 100;
    std::size_t digits = 0;
    while (!tail.empty() && tail[0] >= '0' && tail[0] <= '9' && digits < 9) {
      milliseconds += (tail[0] - '0') * scale;
      scale /= 10;
      tail.remove_prefix(1);
      ++digits;
    }
    if (digits == 0) return bad();
  }
  if (tail != "Z" && tail != "+00:00") return bad();
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::milliseconds(milliseconds);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto bad = [&] { return fail(Code::kInvalid, "not a duration like 90s, 2h or 1d12h: " + quoted(text)); };
  std::int64_t total = 0;
  std::string_view rest = text;
  if (rest.empty()) return bad();
  while (!rest.empty()) {
    std::int64_t value = 0;
    std::size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9' && digits < 12) {
      value = value * 10 + (rest[digits] - '0');
      ++digits;
    }
    if (digits == 0) return bad();
    rest.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    const auto unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == rest.substr(0, letters); });
    if (unit == kUnits.end()) return bad();
    rest.remove_prefix(letters);
    std::int64_t part = 0;
    if (__builtin_mul_overflow(value, unit->milliseconds, &part) || __builtin_add_overflow(total, part, &total))
      return bad();
  }
  return std::chrono::milliseconds(total);
}

std::string format_duration(std::chrono::milliseconds duration) {
  std::int64_t left = duration.count();
  if (left <= 0) return "0s";
  std::string out;
  for (const Unit& unit : kUnits) {
    const std::int64_t n = left / unit.milliseconds;
    if (n > 0) out += fmt::format("{}{}", n, unit.name);
    left %= unit.milliseconds;
  }
  return out;
}

}  // namespace portolan
