#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/id.h"

namespace portolan {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> system_failure(std::string_view what, const std::filesystem::path& path) {
  const int number = errno;
  const Code code = number == ENOENT                      ? Code::kNotFound
                    : number == EACCES || number == EPERM ? Code::kDenied
                                                          : Code::kIo;
  return fail(code, std::string(what) + " " + path.string() + ": " + std::strerror(number));
}

Result<std::string> read_open_file(int fd, const std::filesystem::path& path, std::size_t limit) {
  std::string content;
  char block[16384];
  for (;;) {
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("read", path);
    if (n == 0) return content;
    content.append(block, static_cast<std::size_t>(n));
    if (content.size() > limit)
      return fail(Code::kLimit, "read " + path.string() + ": larger than " + std::to_string(limit) + " bytes");
  }
}

Result<> write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("write", path);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return system_failure("write", path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_failure("open", path);
  return read_open_file(file.get(), path, limit);
}

Result<std::string> read_private_file(const std::filesystem::path& path, std::size_t limit) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_failure("open", path);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return system_failure("open", path);
  if (S_ISREG(info.st_mode) && (info.st_mode & 077) != 0)
    return fail(Code::kDenied, "open " + path.string() + ": others can read this file; run chmod 600 on it");
  return read_open_file(file.get(), path, limit);
}

Result<> write_file(const std::filesystem::path& path, std::string_view content, Privacy privacy) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const std::filesystem::path temporary = folder / ("." + path.filename().string() + "." + make_token(6));
  {
    const Descriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, privacy == Privacy::kPrivate ? 0600 : 0644));
    if (file.get() < 0) return system_failure("create", temporary);
    if (auto written = write_all(file.get(), content, temporary); !written) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    auto failure = system_failure("replace", path);
    ::unlink(temporary.c_str());
    return failure;
  }
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || ::fsync(opened.get()) != 0) return system_failure("sync", folder);
  return {};
}

Result<FolderLock> FolderLock::take(const std::filesystem::path& folder, std::string_view name) {
  const std::filesystem::path path = folder / name;
  FolderLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd_ < 0) return system_failure("open", path);
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return lock;
  return fail(Code::kConflict, "another process works in " + folder.string() + "; end it first, or use another folder");
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<> make_folder(const std::filesystem::path& path, Privacy privacy) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (error) return fail(Code::kIo, "create folder " + path.string() + ": " + error.message());
  if (made && privacy == Privacy::kPrivate && ::chmod(path.c_str(), 0700) != 0) return system_failure("protect", path);
  return {};
}

}  // namespace portolan
