#include "base/result.h"

#include <gtest/gtest.h>

namespace portolan {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::kInvalid, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  PL_TRY(const int once, half(n));
  PL_TRY(const int twice, half(once));
  return twice;
}

TEST(Result, TryReturnsTheErrorOrBindsTheValue) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().code, Code::kInvalid);
}

TEST(Result, WithinAddsTheOuterContext) {
  const Error error = Error{Code::kTimeout, "timed out after 10s"}.within("connect to 10.0.3.7:5432");
  EXPECT_EQ(error.message, "connect to 10.0.3.7:5432: timed out after 10s");
  EXPECT_EQ(error.stable_code(), "timeout");
  EXPECT_TRUE(error.retry_can_help());
}

TEST(Result, AtKeepsTheHopThatWasNearerToTheFault) {
  EXPECT_EQ((Error{Code::kDenied, "no"}.at(Hop::kEgress).at(Hop::kAgent).hop), Hop::kEgress);
}

TEST(Result, NamesReadBack) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i)
    EXPECT_EQ(code_from(name_of(static_cast<Code>(i))), static_cast<Code>(i));
  for (int i = 0; i <= static_cast<int>(Hop::kResource); ++i)
    EXPECT_EQ(hop_from(name_of(static_cast<Hop>(i))), static_cast<Hop>(i));
}

TEST(Result, QuotedEscapesAndCuts) {
  EXPECT_EQ(quoted("a\"b\\\n"), "\"a\\\"b\\\\\\x0a\"");
  EXPECT_EQ(quoted("abcdef", 3), "\"abc\"…");
}

}  // namespace
}  // namespace portolan
