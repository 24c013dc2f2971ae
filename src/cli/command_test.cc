#include "cli/command.h"

#include <gtest/gtest.h>

namespace portolan::cli {
namespace {

std::string said(const CLI::Validator& validator, std::string text) { return validator(text); }

TEST(OneTo, TakesWholeNumbersInBounds) {
  for (const char* text : {"1", "7", "1000"}) EXPECT_EQ(said(one_to(1000), text), "") << text;
  for (const char* text : {"0", "1001", "-1", "1.5", "x", "", "99999999999999999999"}) {
    EXPECT_EQ(said(one_to(1000), text), "must be 1 to 1000") << text;
  }
  EXPECT_EQ(said(one_to(), "0"), "must be 1 or more");
  EXPECT_EQ(said(one_to(), "100000000"), "");
}

TEST(OneTo, IsOneShortError) {
  CLI::App app;
  std::size_t limit = 0;
  app.add_option("--limit", limit, "the first so many")->check(one_to(1000));
  try {
    app.parse("--limit 0");
    FAIL();
  } catch (const CLI::ParseError& error) {
    EXPECT_STREQ(error.what(), "--limit: must be 1 to 1000");
  }
}

}  // namespace
}  // namespace portolan::cli
