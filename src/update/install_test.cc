#include "update/install.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "update/testing.h"

namespace portolan::update {
namespace {

using namespace std::chrono_literals;
using testing::content_of;
using testing::Folder;
using ::testing::HasSubstr;
using testing::program;
using testing::write_program;

class InstallTest : public ::testing::Test {
 protected:
  InstallTest() { write_program(place_.program, old_); }
  // As download() leaves it.
  void part(std::string_view content) { ASSERT_TRUE(write_file(part_, content, Privacy::kPrivate)); }
  std::string installed() const { return content_of(place_.program); }
  // Nothing is left but the program and the one before.
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  Folder folder_;
  Place place_{folder_ / "portolan", 10s};
  Version version_ = *Version::parse("1.2.0");
  std::filesystem::path part_ = part_of(place_, version_);
  std::string old_ = program("1.1.0");
};

TEST_F(InstallTest, ReplacesTheProgramAndKeepsTheOneBefore) {
  ASSERT_EQ(::chmod(place_.program.c_str(), 0750), 0);
  const std::string made = program("1.2.0");
  part(made);
  const auto done = install(place_, part_, version_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(installed(), made);
  EXPECT_EQ(content_of(previous_of(place_)), old_);
  struct stat info{};
  ASSERT_EQ(::stat(place_.program.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0750U);
  EXPECT_EQ(left(), (std::vector<std::string>{".portolan.previous", "portolan"}));
}

TEST_F(InstallTest, ManyTimes) {
  for (const std::string number : {"1.2.0", "1.3.0", "1.4.0"}) {
    const auto version = *Version::parse(number);
    const auto path = part_of(place_, version);
    const std::string before = installed();
    ASSERT_TRUE(write_file(path, program(number), Privacy::kPrivate));
    const auto done = install(place_, path, version);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(content_of(previous_of(place_)), before);
  }
  EXPECT_EQ(left().size(), 2U);
}

TEST_F(InstallTest, LeavesTheProgramIfTheNewOneDoesNotStart) {
  struct Row {
    std::string content, why;
    std::chrono::milliseconds limit = 10s;
  };
  const Row rows[] = {
      {"not a program at all", "does not start"},
      {"", "does not start"},
      {program("1.1.0"), "says that it is \"1.1.0\""},
      {program("1.2.0", "exit 3"), "ended with status 3"},
      {program("1.2.0", "kill -9 $$"), "ended by signal 9"},
      {program("1.2.0", "echo first"), "says"},
      {program("1.2.0", "exec sleep 100"), "nothing within 500ms", 500ms},
      {program("1.2.0", "exec >&-; exec sleep 100"), "does not end within 500ms", 500ms},
      {program("1.2.0", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"), "too much"},
      {"#!/nonexistent/interpreter\n", "does not start"},
  };
  for (const Row& row : rows) {
    place_.start_limit = row.limit;
    part(row.content);
    const auto done = install(place_, part_, version_);
    ASSERT_FALSE(done) << row.why;
    EXPECT_EQ(done.error().reason, kDoesNotStart) << done.error().message;
    EXPECT_THAT(done.error().message, HasSubstr(row.why));
    EXPECT_EQ(installed(), old_) << row.why;
    EXPECT_EQ(left(), std::vector<std::string>{"portolan"}) << row.why;
  }
}

// Starts as the part file, but not under the name that it gets.
TEST_F(InstallTest, GoesBackIfTheNewOneDoesNotStartInItsPlace) {
  part(program("1.2.0", "case \"$0\" in */portolan) exit 7;; esac"));
  const auto done = install(place_, part_, version_);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().reason, kDoesNotStart);
  EXPECT_THAT(done.error().message, HasSubstr("status 7"));
  EXPECT_THAT(done.error().message, HasSubstr("the program before is back"));
  EXPECT_EQ(installed(), old_);
  EXPECT_EQ(left(), std::vector<std::string>{"portolan"});
}

// Whoever looks while it is replaced finds one of the two, whole.
TEST_F(InstallTest, ARunningProgramGoesOn) {
  const int old = ::open(place_.program.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(old, 0);
  part(program("1.2.0"));
  ASSERT_TRUE(install(place_, part_, version_));
  std::string read(old_.size() + 1, '\0');
  EXPECT_EQ(::pread(old, read.data(), read.size(), 0), static_cast<ssize_t>(old_.size()));
  EXPECT_EQ(read.substr(0, old_.size()), old_) << "the file was replaced, not written over";
  ::close(old);
}

TEST_F(InstallTest, GoesBackByHandAndForthAgain) {
  const auto nothing = go_back(place_);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, Code::kNotFound);
  const std::string made = program("1.2.0");
  part(made);
  ASSERT_TRUE(install(place_, part_, version_));
  const auto back = go_back(place_);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, "1.1.0");
  EXPECT_EQ(installed(), old_);
  EXPECT_EQ(content_of(previous_of(place_)), made);
  const auto forth = go_back(place_);
  ASSERT_TRUE(forth) << forth.error().message;
  EXPECT_EQ(installed(), made);
  EXPECT_EQ(left(), (std::vector<std::string>{".portolan.previous", "portolan"}));
}

TEST_F(InstallTest, DoesNotGoBackToWhatDoesNotStart) {
  part(program("1.2.0"));
  ASSERT_TRUE(install(place_, part_, version_));
  write_program(previous_of(place_), program("1.1.0", "exit 1"));
  const std::string before = installed();
  EXPECT_FALSE(go_back(place_));
  EXPECT_EQ(installed(), before);
}

TEST_F(InstallTest, SaysWhoMayReplaceIt) {
  EXPECT_TRUE(check_replaceable(place_));
  std::filesystem::remove(place_.program);
  EXPECT_FALSE(check_replaceable(place_));
  std::filesystem::create_symlink("/bin/sh", place_.program);
  EXPECT_FALSE(check_replaceable(place_));
  if (::geteuid() == 0) return;  // who may do everything
  std::filesystem::remove(place_.program);
  write_program(place_.program, old_);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0500), 0);
  const auto denied = check_replaceable(place_);
  ::chmod(folder_.path().c_str(), 0700);
  ASSERT_FALSE(denied);
  EXPECT_THAT(denied.error().message, HasSubstr("sudo portolan update"));
}

TEST_F(InstallTest, RemovesPartsOfOtherVersionsOnly) {
  part("x");
  const auto other = part_of(place_, *Version::parse("1.0.0"));
  ASSERT_TRUE(write_file(other, "x", Privacy::kPrivate));
  ASSERT_TRUE(write_file(folder_ / ".other.part-1.0.0", "x", Privacy::kPrivate));
  remove_parts(place_, "1.2.0");
  EXPECT_EQ(left(), (std::vector<std::string>{".other.part-1.0.0", ".portolan.part-1.2.0", "portolan"}));
}

TEST(Place, OfThisProgram) {
  const auto place = this_place();
  ASSERT_TRUE(place) << place.error().message;
  EXPECT_EQ(place->program.filename().string().substr(0, 6), "update");
}

}  // namespace
}  // namespace portolan::update
