// Fetches one file of a manifest into a part file beside where it will be installed, goes on where an earlier attempt
// broke off, and hands over nothing but the very bytes that were signed for.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "update/manifest.h"
#include "update/source.h"

namespace portolan::update {

struct DownloadLimits {
  std::chrono::milliseconds stall = std::chrono::seconds(30);  // without a byte
  std::chrono::milliseconds total = std::chrono::minutes(60);  // of all attempts
  int attempts = 5;                                            // in a row that bring nothing
  std::chrono::milliseconds pause = std::chrono::seconds(1);   // after the first of them; then twice as long each time
};

// Bytes that are there, of so many.
using Progress = std::function<void(std::uint64_t have, std::uint64_t of)>;

// Until `part` holds the file: of mode 0600, on the disk, of the signed size and hash. What is left of a download that
// fails stays for the next one, unless its bytes are the wrong ones (Code::kDenied): then it is removed. A server that
// sends more than the signed size is left at that byte (Code::kProtocol). `source` outlives the task.
net::Task<Result<>> download(Source& source, File file, std::filesystem::path part, DownloadLimits limits,
                             Progress progress);

// That the part file still is the file: between a node's download and its leaving may lie days.
Result<> check_part(const std::filesystem::path& part, const File& file);

}  // namespace portolan::update
