#include "audit/spool_recent.h"

#include <gtest/gtest.h>

#include <random>

#include "base/id.h"

namespace portolan::audit {
namespace {

constexpr std::uint64_t kSegment = 3;
const std::string kChain = make_id("c");

std::string line(std::uint64_t number, std::size_t padding = 0) {
  return handed_line({kChain, number, {}}, R"({"kind":"query","text":")" + std::string(padding, 'x') + "\"}");
}
std::uint64_t place(std::uint64_t number) { return 100 + 1000 * number; }

void add(RecentLines& recent, std::uint64_t number, std::size_t padding = 0) {
  recent.add(kSegment, place(number), place(number + 1), line(number, padding));
}

// "1 2 3" for the numbers of the lines.
std::string numbers(const std::optional<Scan>& scan) {
  if (!scan) return "none";
  const auto records = records_in(scan->lines);
  if (!records || records->size() != scan->count || records->back().number != scan->last.number) return "wrong";
  std::string out;
  for (const auto& each : *records) out += (out.empty() ? "" : " ") + std::to_string(each.number);
  return out;
}

TEST(RecentLines, GivesWhatIsAskedFor) {
  RecentLines recent(10'000);
  EXPECT_EQ(numbers(recent.from(kSegment, place(1), place(9), 9)), "none");
  for (std::uint64_t i = 1; i <= 4; ++i) add(recent, i);
  EXPECT_EQ(numbers(recent.from(kSegment, place(1), place(5), 9)), "1 2 3 4");
  EXPECT_EQ(numbers(recent.from(kSegment, place(2), place(4), 9)), "2 3") << "only what is synced";
  EXPECT_EQ(numbers(recent.from(kSegment, place(1), place(5), 2)), "1 2");
  EXPECT_EQ(recent.from(kSegment, place(1), place(5), 2)->used, 2000U);
  EXPECT_EQ(numbers(recent.from(kSegment, place(5), place(9), 9)), "none");
  EXPECT_EQ(numbers(recent.from(kSegment, place(0), place(9), 9)), "none") << "from before the first";
  EXPECT_EQ(numbers(recent.from(kSegment, place(2) + 1, place(9), 9)), "none") << "within a line";
  EXPECT_EQ(numbers(recent.from(kSegment + 1, place(1), place(9), 9)), "none");
}

TEST(RecentLines, DropsWhatIsDoneWith) {
  RecentLines recent(10'000);
  for (std::uint64_t i = 1; i <= 4; ++i) add(recent, i);
  recent.drop(kSegment + 1, place(9));
  recent.drop(kSegment, place(3));
  EXPECT_EQ(numbers(recent.from(kSegment, place(2), place(5), 9)), "none");
  EXPECT_EQ(numbers(recent.from(kSegment, place(3), place(5), 9)), "3 4");
  recent.drop(kSegment, place(5));
  EXPECT_EQ(numbers(recent.from(kSegment, place(3), place(5), 9)), "none");
  add(recent, 5);
  EXPECT_EQ(numbers(recent.from(kSegment, place(5), place(6), 9)), "5");
}

TEST(RecentLines, BeginsAnewWhereSomethingIsMissing) {
  RecentLines recent(10'000);
  add(recent, 1);
  add(recent, 3);
  EXPECT_EQ(numbers(recent.from(kSegment, place(1), place(9), 9)), "none");
  EXPECT_EQ(numbers(recent.from(kSegment, place(3), place(9), 9)), "3");
  recent.add(kSegment + 1, 50, 60, line(4));
  EXPECT_EQ(numbers(recent.from(kSegment, place(3), place(9), 9)), "none");
  EXPECT_EQ(numbers(recent.from(kSegment + 1, 50, 60, 9)), "4");
}

TEST(RecentLines, KeepsNoMoreThanItsLimit) {
  RecentLines none(0);
  add(none, 1);
  EXPECT_EQ(numbers(none.from(kSegment, place(1), place(2), 9)), "none");
  RecentLines recent(3 * line(1).size() + 4);
  for (std::uint64_t i = 1; i <= 4; ++i) add(recent, i);
  EXPECT_EQ(numbers(recent.from(kSegment, place(1), place(5), 9)), "none");
  EXPECT_EQ(numbers(recent.from(kSegment, place(4), place(5), 9)), "4");
  add(recent, 5, 10'000);
  EXPECT_EQ(numbers(recent.from(kSegment, place(5), place(6), 9)), "none");
  add(recent, 6);
  EXPECT_EQ(numbers(recent.from(kSegment, place(6), place(7), 9)), "6");
}

TEST(RecentLines, ABatchIsBounded) {
  RecentLines recent(10'000'000);
  for (std::uint64_t i = 1; i <= 5; ++i) add(recent, i, 200 * 1024);
  EXPECT_EQ(numbers(recent.from(kSegment, place(1), place(9), 9)), "1 2");
  EXPECT_EQ(numbers(recent.from(kSegment, place(3), place(9), 9)), "3 4");
}

// A reader that takes and drops at random sees every line once, in order.
TEST(RecentLines, FollowsAWriter) {
  std::minstd_rand random(1);
  RecentLines recent(10'000'000);
  std::uint64_t written = 0;
  std::uint64_t taken = 0;
  while (taken < 20'000) {
    for (auto n = random() % 40; n > 0; --n) add(recent, ++written, random() % 300);
    const auto scan = recent.from(kSegment, place(taken + 1), place(written + 1), 1 + random() % 30);
    ASSERT_EQ(scan.has_value(), written > taken);
    if (!scan) continue;
    const auto records = records_in(scan->lines);
    ASSERT_TRUE(records);
    for (const auto& each : *records) ASSERT_EQ(each.number, ++taken);
    ASSERT_EQ(scan->used, 1000 * scan->count);
    recent.drop(kSegment, place(taken + 1));
  }
}

}  // namespace
}  // namespace portolan::audit
