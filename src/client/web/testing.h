// For tests of this folder: a home that is gone with it.
#pragma once
#include <filesystem>
#include <string>

#include "base/id.h"
#include "client/home.h"

namespace portolan::client::web {

struct TemporaryHome {
  TemporaryHome() = default;
  TemporaryHome(const TemporaryHome&) = delete;
  TemporaryHome& operator=(const TemporaryHome&) = delete;
  ~TemporaryHome() {
    std::error_code ignored;
    std::filesystem::remove_all(home.folder(), ignored);
  }

  const Home home{std::filesystem::temp_directory_path() / ("portolan-web-" + make_token(6))};
};

}  // namespace portolan::client::web
