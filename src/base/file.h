// Small files that matter: read whole with a limit, replaced atomically, and kept private where they hold secrets.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace portolan {

enum class Privacy { kPublic, kPrivate };  // mode 0644, or 0600

// The file's content; more than `limit` bytes is Code::kLimit, a missing file Code::kNotFound.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 16 * 1024 * 1024);

// As read_file, and refuses a file that others than its owner can read (secrets in keys, tokens, passphrases).
Result<std::string> read_private_file(const std::filesystem::path& path, std::size_t limit = 1024 * 1024);

// Writes beside `path`, fsyncs, renames over it and fsyncs the folder: after a crash the old or the new content is
// there, whole.
Result<> write_file(const std::filesystem::path& path, std::string_view content, Privacy privacy);

// Held by the one process that may work in a folder; given back when it is destroyed or the process ends, however it
// ends.
class FolderLock {
 public:
  // Locks the file `name` in the folder. Code::kConflict if another process holds it.
  static Result<FolderLock> take(const std::filesystem::path& folder, std::string_view name);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

// Makes the folder and its parents; a private one has mode 0700.
Result<> make_folder(const std::filesystem::path& path, Privacy privacy);

}  // namespace portolan
