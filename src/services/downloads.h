// downloads: gives out a tree of signed releases (update/, `portolan release publish`) as any static web server could:
// GET and HEAD of regular files below one folder, with single ranges (RFC 9110 §14), entity tags and conditions; no
// listing, no symbolic links, no names that begin with a dot. Nothing here is trusted by those who update: what they
// take is signed.
#pragma once
#include <filesystem>
#include <memory>

#include "net/task.h"

namespace portolan::services {

class Service;

struct DownloadsOptions {
  std::filesystem::path folder = {};  // may be a symbolic link, which is followed for every request anew
};

// Code::kInvalid if there is no such folder.
Result<std::unique_ptr<Service>> make_downloads(const net::Executor& executor, DownloadsOptions options);

}  // namespace portolan::services
