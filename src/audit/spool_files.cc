#include "audit/spool_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "audit/spool_line.h"
#include "base/log.h"

namespace portolan::audit {
namespace {

constexpr std::string_view kSuffix = ".spool";  // of all that has a number
constexpr std::string_view kSealedSuffix = ".spool.sealed";
constexpr std::size_t kDigits = 12;

std::unexpected<Error> system_failure(std::string_view what, const std::filesystem::path& path) {
  const int number = errno;
  const bool passing = number == EMFILE || number == ENFILE || number == ENOMEM;
  return fail(passing ? Code::kUnavailable : Code::kIo,
              fmt::format("audit spool: {} {}: {}", what, path.string(), std::strerror(number)));
}

int open_again(const std::filesystem::path& path, int flags) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

Result<std::uint64_t> size_of(const File& file, const std::filesystem::path& path) {
  struct stat info{};
  if (::fstat(file.descriptor(), &info) != 0) return system_failure("look at", path);
  return static_cast<std::uint64_t>(info.st_size);
}

Result<std::string> read_at(const File& file, std::uint64_t offset, std::size_t limit,
                            const std::filesystem::path& path) {
  std::string out(limit, '\0');
  std::size_t got = 0;
  while (got < limit) {
    const ssize_t n = ::pread(file.descriptor(), out.data() + got, limit - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_failure("read", path);
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  out.resize(got);
  return out;
}

}  // namespace

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::filesystem::path segment_path(const std::filesystem::path& folder, std::uint64_t number) {
  return folder / fmt::format("{:0{}}{}", number, kDigits, kSealedSuffix);
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + std::min(name.size(), kDigits), number);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + kDigits) return std::nullopt;
  return name.substr(kDigits).starts_with(kSuffix) ? std::optional(number) : std::nullopt;
}

Result<FolderContent> list_folder(const std::filesystem::path& folder) {
  FolderContent out;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const auto number = segment_number(name);
    if (!number) continue;
    const std::string_view tail = std::string_view(name).substr(kDigits);
    out.highest = std::max(out.highest, *number);
    if (tail == kSuffix || tail == kSealedSuffix)
      out.segments.push_back({*number, entry->path(), tail == kSealedSuffix});
  }
  if (error) return fail(Code::kIo, "audit spool: list " + folder.string() + ": " + error.message());
  std::sort(out.segments.begin(), out.segments.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  return out;
}

Result<File> lock_folder(const std::filesystem::path& folder) {
  const auto path = folder / "lock";
  File file(open_again(path, O_RDWR | O_CREAT));
  if (file.descriptor() < 0) return system_failure("open", path);
  if (::flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno == EWOULDBLOCK)
    return fail(Code::kConflict, "audit spool: " + folder.string() +
                                     " is in use by another process; stop it, or give this one a folder of its own");
  return system_failure("lock", path);
}

Result<File> create_segment(const std::filesystem::path& path) {
  File file(open_again(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
  if (file.descriptor() < 0) return system_failure("create", path);
  return file;
}

Result<Recovered> recover_segment(const std::filesystem::path& path) {
  const File file(open_again(path, O_RDWR));
  if (file.descriptor() < 0) return system_failure("open", path);
  PL_TRY(const std::uint64_t size, size_of(file, path));
  const std::uint64_t begin = size > kFileLineLimit ? size - kFileLineLimit : 0;
  PL_TRY(const std::string tail, read_at(file, begin, static_cast<std::size_t>(size - begin), path));
  const auto last = tail.rfind('\n');
  if (last == std::string::npos && begin > 0)
    return Recovered{size, {}};  // no line is so long: the reader will set it aside
  const std::uint64_t good = last == std::string::npos ? 0 : begin + last + 1;
  if (good < size) {
    log::warn("audit spool: cut off a record that was being written when this node stopped",
              {{"file", path.string()}, {"offset", good}, {"bytes", size - good}});
    if (::ftruncate(file.descriptor(), static_cast<off_t>(good)) != 0) return system_failure("cut", path);
  }
  PL_CHECK(Disk::real().sync_file(file));
  if (good == 0) return Recovered{};
  const auto before = last == 0 ? std::string::npos : tail.rfind('\n', last - 1);
  if (before == std::string::npos && begin > 0) return Recovered{good, {}};
  const std::size_t from = before == std::string::npos ? 0 : before + 1;
  return Recovered{good, tail.substr(from, last - from)};
}

Disk& Disk::real() {
  static Disk disk;
  return disk;
}

Result<> Disk::append_whole(const File& file, std::uint64_t size, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.descriptor(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    const std::string why = std::strerror(errno);
    if (::ftruncate(file.descriptor(), static_cast<off_t>(size)) != 0)
      return fail(Code::kInternal, "audit spool: write: " + why);
    return fail(Code::kIo, "audit spool: write: " + why);
  }
  return {};
}

Result<std::string> read_piece(const std::filesystem::path& path, std::uint64_t offset, std::size_t limit) {
  const File file(open_again(path, O_RDONLY));
  if (file.descriptor() < 0) return system_failure("open", path);
  return read_at(file, offset, limit, path);
}

Result<> set_aside(const std::filesystem::path& path, std::string_view why) {
  auto target = path;
  target += ".bad";
  log::error("audit spool: a file cannot be read further and is set aside; what comes after it goes on",
             {{"file", target.string()}, {"why", why}});
  if (::rename(path.c_str(), target.c_str()) != 0 && errno != ENOENT) return system_failure("set aside", path);
  return {};
}

Result<> Disk::sync_file(const File& file) {
  if (::fdatasync(file.descriptor()) == 0) return {};
  return fail(Code::kIo, std::string("audit spool: sync: ") + std::strerror(errno));
}

Result<> Disk::sync_folder(const std::filesystem::path& folder) {
  const File file(open_again(folder, O_RDONLY | O_DIRECTORY));
  if (file.descriptor() < 0 || ::fsync(file.descriptor()) != 0) return system_failure("sync", folder);
  return {};
}

Result<std::uint64_t> Disk::free_bytes(const std::filesystem::path& folder) {
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0) return system_failure("ask for the free space of", folder);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace portolan::audit
