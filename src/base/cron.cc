#include "base/cron.h"

#include <charconv>
#include <string>
#include <vector>

namespace portolan {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

struct Field {
  std::string_view name;
  unsigned lowest, highest;
};
constexpr std::array<Field, 5> kFields{
    {{"minute", 0, 59}, {"hour", 0, 23}, {"day of the month", 1, 31}, {"month", 1, 12}, {"day of the week", 0, 7}}};
enum : std::size_t { kMinute, kHour, kDay, kMonth, kWeekday };
constexpr days kHorizon{8 * 366};  // between two 29 February there may be eight years

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.size() > 2 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// One member of a list: "*", "7", "2-5", the first and the last of these with "/STEP" behind them.
std::optional<std::uint64_t> numbers(std::string_view text, const Field& field) {
  const auto slash = text.find('/');
  const auto range = text.substr(0, slash);
  const auto dash = range.find('-');
  std::optional<unsigned> first = field.lowest, last = field.highest, step = 1;
  if (range != "*") {
    first = number(range.substr(0, dash));
    last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
    if (slash != std::string_view::npos && dash == std::string_view::npos) return std::nullopt;
  }
  if (slash != std::string_view::npos) step = number(text.substr(slash + 1));
  if (!first || !last || !step || *step == 0 || *first < field.lowest || *last > field.highest || *first > *last)
    return std::nullopt;
  std::uint64_t mask = 0;
  for (unsigned each = *first; each <= *last; each += *step) mask |= std::uint64_t{1} << each;
  return mask;
}

Result<std::uint64_t> parse_field(std::string_view text, const Field& field) {
  std::uint64_t mask = 0;
  for (const auto part : split(text, ',')) {
    const auto more = numbers(part, field);
    if (!more)
      return fail(Code::kInvalid, std::string(field.name) + ": " + quoted(part) + " is not within " +
                                      std::to_string(field.lowest) + " to " + std::to_string(field.highest) +
                                      ", a range like 2-5, * or */2");
    mask |= *more;
  }
  return mask;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const auto part : split(text, ' '))
    if (!part.empty()) fields.push_back(part);
  if (fields.size() != kFields.size())
    return fail(
        Code::kInvalid,
        "five fields are needed, minute, hour, day of the month, month and day of the week, like \"0 3 * * 6\": " +
            quoted(text));
  Cron cron;
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    PL_TRY(cron.fields_.at(i), parse_field(fields[i], kFields.at(i)));
  }
  if (cron.has(kWeekday, 7)) cron.fields_[kWeekday] |= 1;
  const auto restricted = [&](std::size_t field) { return fields[field].find('*') == std::string_view::npos; };
  cron.either_day_ = restricted(kDay) && restricted(kWeekday);
  if (!cron.next(sys_days(std::chrono::year(2000) / 1 / 1)))
    return fail(Code::kInvalid, "there is no such day: " + quoted(text));
  return cron;
}

bool Cron::matches(sys_days day) const {
  const std::chrono::year_month_day date(day);
  const bool by_month = has(kDay, static_cast<unsigned>(date.day()));
  const bool by_week = has(kWeekday, std::chrono::weekday(day).c_encoding());
  return has(kMonth, static_cast<unsigned>(date.month())) && (either_day_ ? by_month || by_week : by_month && by_week);
}

bool Cron::matches(WallTime time) const {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::hh_mm_ss clock(time - day);
  return has(kMinute, static_cast<unsigned>(clock.minutes().count())) &&
         has(kHour, static_cast<unsigned>(clock.hours().count())) && matches(day);
}

std::optional<WallTime> Cron::next(WallTime from) const {
  const auto earliest = std::chrono::ceil<std::chrono::minutes>(from);
  const auto first = std::chrono::floor<days>(earliest);
  for (auto day = first; day <= first + kHorizon; day += days(1)) {
    if (!matches(day)) continue;
    for (unsigned hour = 0; hour < 24; ++hour)
      for (unsigned minute = 0; minute < 60 && has(kHour, hour); ++minute) {
        const auto at = day + std::chrono::hours(hour) + std::chrono::minutes(minute);
        if (has(kMinute, minute) && at >= earliest) return WallTime(at);
      }
  }
  return std::nullopt;
}

}  // namespace portolan
