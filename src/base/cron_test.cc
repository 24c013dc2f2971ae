#include "base/cron.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

WallTime at(std::string_view text) {
  const auto time = from_rfc3339(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(WallTime{});
}

std::string after(std::string_view cron, std::string_view from) {
  const auto parsed = Cron::parse(cron);
  EXPECT_TRUE(parsed) << cron << ": " << (parsed ? "" : parsed.error().message);
  const auto next = parsed ? parsed->next(at(from)) : std::nullopt;
  return next ? to_rfc3339(*next).substr(0, 16) : "";
}

TEST(Cron, FindsTheNextMinute) {
  struct Row {
    std::string_view cron, from, next;
  };
  // 2026-11-28 is a Saturday.
  for (const Row& row : {
           Row{"* * * * *", "2026-11-28T10:00:00.000Z", "2026-11-28T10:00"},
           Row{"* * * * *", "2026-11-28T10:00:00.001Z", "2026-11-28T10:01"},
           Row{"0 3 * * *", "2026-11-28T03:00:59.000Z", "2026-11-29T03:00"},
           Row{"0 3 * * 6", "2026-11-28T04:00:00.000Z", "2026-12-05T03:00"},
           Row{"0 3 * * 0", "2026-11-28T04:00:00.000Z", "2026-11-29T03:00"},
           Row{"0 3 * * 7", "2026-11-28T04:00:00.000Z", "2026-11-29T03:00"},
           Row{"0 3 * * 5-7", "2026-11-30T04:00:00.000Z", "2026-12-04T03:00"},
           Row{"*/15 2-3 1 1,7 *", "2026-11-28T00:00:00.000Z", "2027-01-01T02:00"},
           Row{"10-50/20 5 * * *", "2026-11-28T05:11:00.000Z", "2026-11-28T05:30"},
           Row{"59 23 31 12 *", "2026-12-31T23:59:00.000Z", "2026-12-31T23:59"},
           Row{"0 0 29 2 *", "2026-11-28T00:00:00.000Z", "2028-02-29T00:00"},
           Row{"0 0 29 2 *", "2096-03-01T00:00:00.000Z", "2104-02-29T00:00"},
           Row{"  5   4 * *   *", "2026-11-28T00:00:00.000Z", "2026-11-28T04:05"},
           // Both days are restricted: one is enough. With a * in one of them, both count.
           Row{"0 0 13 * 5", "2026-11-28T00:00:00.000Z", "2026-12-04T00:00"},
           Row{"0 0 13 * 5", "2026-12-12T00:00:00.000Z", "2026-12-13T00:00"},
           Row{"0 0 13 * */5", "2026-11-28T00:00:00.000Z", "2026-12-13T00:00"},
       })
    EXPECT_EQ(after(row.cron, row.from), row.next) << row.cron << " from " << row.from;
}

TEST(Cron, AMinuteMatchesFromItsFirstMomentToItsLast) {
  const auto cron = Cron::parse("30 2-3 * * 6");
  ASSERT_TRUE(cron);
  EXPECT_FALSE(cron->matches(at("2026-11-28T02:29:59.999Z")));
  EXPECT_TRUE(cron->matches(at("2026-11-28T02:30:00.000Z")));
  EXPECT_TRUE(cron->matches(at("2026-11-28T03:30:59.999Z")));
  EXPECT_FALSE(cron->matches(at("2026-11-28T02:31:00.000Z")));
  EXPECT_FALSE(cron->matches(at("2026-11-27T02:30:00.000Z")));
}

TEST(Cron, RefusesWhatIsNoTime) {
  for (const std::string_view text : {"",
                                      "* * * *",
                                      "* * * * * *",
                                      "60 * * * *",
                                      "* 24 * * *",
                                      "* * 0 * *",
                                      "* * 32 * *",
                                      "* * * 0 *",
                                      "* * * 13 *",
                                      "* * * * 8",
                                      "-1 * * * *",
                                      "5- * * * *",
                                      "-5 * * * *",
                                      "5-2 * * * *",
                                      "1,,2 * * * *",
                                      ", * * * *",
                                      "*/0 * * * *",
                                      "*/ * * * *",
                                      "5/10 * * * *",
                                      "1-5/ * * * *",
                                      "** * * * *",
                                      "*5 * * * *",
                                      "+5 * * * *",
                                      "005 * * * *",
                                      "0x5 * * * *",
                                      "1.5 * * * *",
                                      "* * * jan *",
                                      "* * * * sun",
                                      "@daily",
                                      "0\t3 * * *",
                                      "0 0 30 2 *",
                                      "0 0 31 4,6,9,11 *",
                                      "99999999999 * * * *"}) {
    const auto parsed = Cron::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalid) << text;
  }
  EXPECT_NE(Cron::parse("0 25 * * *").error().message.find("hour"), std::string::npos);
  EXPECT_NE(Cron::parse("0 0 30 2 *").error().message.find("no such day"), std::string::npos);
}

}  // namespace
}  // namespace portolan
