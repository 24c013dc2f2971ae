#include "cli/dev_ready_file.h"

#include "base/file.h"
#include "base/json.h"

namespace portolan::cli {

Result<> write_ready_file(const std::filesystem::path& path, const DevReady& ready) {
  auto written = write_file(path, json::encode(ready) + "\n", Privacy::kPrivate);
  if (!written) return std::unexpected(std::move(written).error().within("ready file"));
  return {};
}

}  // namespace portolan::cli
