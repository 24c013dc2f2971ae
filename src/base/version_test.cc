#include "base/version.h"

#include <string>

#include <gtest/gtest.h>

#include "base/file.h"

namespace portolan {
namespace {

std::string program(std::string_view version) {
  return "\x7f"
         "ELF code" +
         std::string(kVersionMark) + std::string(version) + std::string(1, '\0') + "more";
}

TEST(Version, IsFoundInAProgram) {
  EXPECT_EQ(version_in(program("1.2.3")), "1.2.3");
  EXPECT_EQ(version_in(program("1.2.3-rc.1")), "1.2.3-rc.1");
  // The constant kVersionMark of a program that reads other programs.
  EXPECT_EQ(version_in(std::string(kVersionMark) + std::string(1, '\0') + program("1.2.3")), "1.2.3");
}

TEST(Version, IsNotGuessed) {
  EXPECT_EQ(version_in(""), "");
  EXPECT_EQ(version_in("no mark at all"), "");
  EXPECT_EQ(version_in(kVersionMark), "");
  EXPECT_EQ(version_in(std::string(kVersionMark) + "1.2.3"), "") << "cut off";
  EXPECT_EQ(version_in(program("1.2.3") + program("1.2.4")), "") << "which?";
  EXPECT_EQ(version_in(program("1.2 3")), "");
  EXPECT_EQ(version_in(program(std::string(100, '1'))), "");
}

TEST(Version, OfThisProgramIsFoundInItsFile) {
  const auto self = read_file("/proc/self/exe", std::size_t{2} * 1024 * 1024 * 1024);
  ASSERT_TRUE(self) << self.error().message;
  EXPECT_FALSE(program_version().empty());
  EXPECT_EQ(version_in(*self), program_version());
}

}  // namespace
}  // namespace portolan
