// For the tests of store/: a folder of its own that disappears, and another process's view of a database file.
#pragma once
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/id.h"
#include "store/database.h"

namespace portolan::store {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(make_folder(folder_, Privacy::kPublic)); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("portolan-store-" + make_token(6));
  std::filesystem::path path_ = folder_ / "data.db";
};

}  // namespace portolan::store
