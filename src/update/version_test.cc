#include "update/version.h"

#include <vector>

#include <gtest/gtest.h>

namespace portolan::update {
namespace {

TEST(Version, IsOrdered) {
  const std::vector<std::string> ordered = {
      "0.0.0",      "0.0.1",        "0.0.10",        "0.2.0",      "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
      "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",       "1.0.1",         "1.9.0",
      "1.10.0",     "2.0.0-1",      "2.0.0",         "10.0.0",     "999999.0.0"};
  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      const auto a = Version::parse(ordered[i]);
      const auto b = Version::parse(ordered[j]);
      ASSERT_TRUE(a && b) << ordered[i] << " " << ordered[j];
      EXPECT_EQ(*a < *b, i < j) << ordered[i] << " " << ordered[j];
      EXPECT_EQ(*a == *b, i == j) << ordered[i] << " " << ordered[j];
      EXPECT_EQ(*a > *b, i > j) << ordered[i] << " " << ordered[j];
    }
}

TEST(Version, IsParsedStrictly) {
  for (const char* bad : {"",
                          "1",
                          "1.2",
                          "1.2.3.4",
                          "1..3",
                          ".1.2",
                          "1.2.",
                          "01.2.3",
                          "1.2.03",
                          "v1.2.3",
                          "1.2.3 ",
                          " 1.2.3",
                          "1.2.x",
                          "-1.2.3",
                          "1.2.3-",
                          "1.2.3-a..b",
                          "1.2.3-.a",
                          "1.2.3-a.",
                          "1.2.3-01",
                          "1.2.3+build",
                          "1.2.3-a_b",
                          "1000000.0.0",
                          "99999999999999999999.0.0",
                          "1.2.3-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                          "1,2,3",
                          "1.2.3\n"})
    EXPECT_FALSE(Version::parse(bad)) << bad;
  for (const char* good : {"1.2.3", "0.0.0", "1.2.3-0", "1.2.3-x-y.7.z", "1.2.3--"}) {
    const auto version = Version::parse(good);
    ASSERT_TRUE(version) << good;
    EXPECT_EQ(version->text(), good);
  }
}

}  // namespace
}  // namespace portolan::update
