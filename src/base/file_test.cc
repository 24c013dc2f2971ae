#include "base/file.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include "base/id.h"

namespace portolan {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = std::filesystem::temp_directory_path() / ("portolan-" + make_token(6)); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FileTest, ReplacesWholeAndPrivate) {
  ASSERT_TRUE(make_folder(folder_ / "deep", Privacy::kPrivate));
  const auto path = folder_ / "deep" / "key";
  ASSERT_TRUE(write_file(path, "one", Privacy::kPrivate));
  ASSERT_TRUE(write_file(path, "two", Privacy::kPrivate));
  EXPECT_EQ(*read_private_file(path), "two");
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "deep"), {}), 1);
}

TEST_F(FileTest, RefusesASecretThatOthersCanRead) {
  ASSERT_TRUE(make_folder(folder_, Privacy::kPublic));
  ASSERT_TRUE(write_file(folder_ / "key", "x", Privacy::kPublic));
  EXPECT_EQ(read_private_file(folder_ / "key").error().code, Code::kDenied);
}

TEST_F(FileTest, OneProcessHoldsAFolder) {
  ASSERT_TRUE(make_folder(folder_, Privacy::kPrivate));
  {
    const auto lock = FolderLock::take(folder_, "lock");
    ASSERT_TRUE(lock);
    EXPECT_EQ(FolderLock::take(folder_, "lock").error().code, Code::kConflict);
  }
  EXPECT_TRUE(FolderLock::take(folder_, "lock"));
}

TEST_F(FileTest, Limits) {
  ASSERT_TRUE(make_folder(folder_, Privacy::kPublic));
  ASSERT_TRUE(write_file(folder_ / "f", "12345", Privacy::kPublic));
  EXPECT_EQ(read_file(folder_ / "f", 4).error().code, Code::kLimit);
  EXPECT_EQ(read_file(folder_ / "none").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace portolan
