#include "update/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/hash.h"

namespace portolan::update {
namespace {

using net::http::Pieces;

constexpr std::size_t kBlock = 256 * 1024;
constexpr std::string_view kDisk = "disk";  // Error::reason of what a retry does not help
constexpr int kTurns = 8;                   // blocks between two looks at the loop

std::unexpected<Error> system_failure(std::string_view what, const std::filesystem::path& path) {
  const int number = errno;
  const Code code = number == EACCES || number == EPERM || number == EROFS ? Code::kDenied : Code::kIo;
  return fail(code, fmt::format("{} {}: {}", what, path.string(), std::strerror(number)), std::string(kDisk));
}

// The part file with the hash of what it holds.
class Part {
 public:
  static Result<std::unique_ptr<Part>> open(const std::filesystem::path& path) {
    // No symbolic link, no second name: nobody else's file is written to, whatever lies there.
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0) return system_failure("write", path);
    auto part = std::unique_ptr<Part>(new Part(fd, path));
    struct stat info{};
    if (::fstat(fd, &info) != 0) return system_failure("write", path);
    if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || info.st_uid != ::geteuid())
      return fail(Code::kDenied, "write " + path.string() + ": it is not a file of ours alone; remove it");
    if (::fchmod(fd, 0600) != 0) return system_failure("write", path);
    part->there_ = static_cast<std::uint64_t>(info.st_size);
    return part;
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() { ::close(fd_); }

  std::uint64_t size() const { return size_; }

  // Hashes what an earlier download has left, if that can be a beginning of the file.
  net::Task<Result<>> take_over(std::uint64_t most) {
    if (there_ > most) co_return start_anew();
    std::string block(kBlock, '\0');
    for (int turn = 0; size_ < there_; ++turn) {
      const ssize_t n = ::pread(fd_, block.data(), block.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) co_return system_failure("read", path_);
      if (n == 0) break;
      hasher_.add(as_bytes(std::string_view(block).substr(0, static_cast<std::size_t>(n))));
      size_ += static_cast<std::uint64_t>(n);
      if (turn % kTurns == kTurns - 1) co_await net::yield_to_loop();
    }
    co_return Result<>{};
  }
  Result<> start_anew() {
    if (::ftruncate(fd_, 0) != 0) return system_failure("write", path_);
    hasher_ = crypto::Sha256Hasher();
    size_ = 0;
    return {};
  }
  Result<> append(std::string_view bytes) {
    hasher_.add(as_bytes(bytes));
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_failure("write", path_);
      size_ += static_cast<std::uint64_t>(n);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }
  // Of all that was taken over and appended; once.
  std::string sha256() { return hex(hasher_.finish()); }
  Result<> sync() {
    if (::fsync(fd_) != 0) return system_failure("write", path_);
    return {};
  }

 private:
  Part(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  const int fd_;
  const std::filesystem::path path_;
  std::uint64_t there_ = 0;  // when it was opened
  std::uint64_t size_ = 0;   // hashed
  crypto::Sha256Hasher hasher_;
};

// Where the answer's bytes belong: "bytes 100-199/200". None: it does not say, or says nonsense.
struct ContentRange {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};
std::optional<ContentRange> content_range(std::string_view text) {
  ContentRange out;
  std::uint64_t last = 0;
  const auto number = [&text](std::string_view before, std::uint64_t& into) {
    if (!text.starts_with(before)) return false;
    text.remove_prefix(before.size());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
  };
  if (!number("bytes ", out.begin) || !number("-", last) || !number("/", out.size) || !text.empty())
    return std::nullopt;
  if (last < out.begin || last >= out.size) return std::nullopt;
  return out;
}

std::unexpected<Error> wrong_size(const std::string& host, const File& file) {
  return fail(Code::kProtocol,
              fmt::format("{} gives a /{} that is not of the {} bytes that are signed", host, file.path, file.size),
              "wrong_size");
}

struct Transfer {
  Source& source;
  const File file;
  const DownloadLimits limits;
  const Progress progress;
  std::unique_ptr<Part> part = {};
  bool restarted = false;

  // Makes the part fit what the server is about to send. False: ask anew, from the beginning.
  Result<bool> begin(const net::http::Response& head) {
    if (head.status == 416) {
      // Once: what there was may have been of a longer file of this name. Twice: the file is too short.
      if (part->size() == 0 || std::exchange(restarted, true)) return wrong_size(source.host(), file);
      PL_CHECK(part->start_anew());
      return false;
    }
    if (head.status == 206) {
      const auto range = content_range(head.header("content-range"));
      if (range && range->size != file.size) return wrong_size(source.host(), file);
      if (range && range->begin == part->size()) return true;
      return fail(Code::kProtocol, source.host() + " sends another part of the file than it was asked for");
    }
    if (part->size() > 0) PL_CHECK(part->start_anew());  // all of it: the server knows no ranges
    std::uint64_t length = 0;
    const std::string_view field = head.header("content-length");
    const bool told = !field.empty();
    if (told) std::from_chars(field.data(), field.data() + field.size(), length);
    if (told && length != file.size) return wrong_size(source.host(), file);
    return true;
  }

  // One request and its answer. Its end, or the end of the file, whichever comes first.
  net::Task<Result<>> attempt() {
    CO_TRY(const auto pieces, co_await source.file(file.path, part->size()));
    CO_TRY(const bool goes_on, begin(pieces->head()));
    if (!goes_on) co_return Result<>{};
    while (part->size() < file.size) {
      CO_TRY(const std::string piece, co_await pieces->next(limits.stall));
      if (piece.empty()) co_return fail(Code::kEof, source.host() + " ended the file too early");
      if (piece.size() > file.size - part->size()) co_return wrong_size(source.host(), file);
      CO_CHECK(part->append(piece));
      if (progress) progress(part->size(), file.size);
    }
    // A server without an end is left here; one that has more than was signed for is caught at its next byte.
    const auto rest = co_await pieces->next(std::chrono::milliseconds(200));
    if (rest && !rest->empty()) co_return wrong_size(source.host(), file);
    co_return Result<>{};
  }

  static bool may_repeat(const Error& error) {
    const bool network = error.code == Code::kEof || error.code == Code::kTimeout || error.code == Code::kIo ||
                         error.code == Code::kUnavailable;
    return network && error.reason != kDisk;
  }

  net::Task<Result<>> fetch() {
    int failures = 0;
    auto pause = limits.pause;
    while (part->size() < file.size) {
      const std::uint64_t before = part->size();
      auto done = co_await attempt();
      if (done) continue;
      if (!may_repeat(done.error())) co_return done;
      if (part->size() > before) {
        failures = 0;
        pause = limits.pause;
      }
      if (++failures >= limits.attempts) co_return done;
      log::debug("a download broke off", {{"path", file.path}, {"have", part->size()}, {"error", done.error()}});
      CO_CHECK(co_await net::sleep_for(pause));
      pause *= 2;
    }
    co_return Result<>{};
  }

  net::Task<Result<>> run(std::filesystem::path path) {
    CO_TRY(part, Part::open(path));
    CO_CHECK(co_await part->take_over(file.size));
    // What an earlier download has left may be of another file with this name: then once more, from the beginning.
    for (bool taken_over = part->size() > 0;; taken_over = false) {
      if (progress) progress(part->size(), file.size);
      CO_CHECK(co_await fetch());
      if (part->sha256() == file.sha256) break;
      CO_CHECK(part->start_anew());
      if (taken_over) continue;
      ::unlink(path.c_str());
      co_return fail(Code::kDenied,
                     fmt::format("{} gives a /{} that is not the one that was signed", source.host(), file.path),
                     "wrong_hash");
    }
    co_return part->sync();
  }
};

}  // namespace

Result<> check_part(const std::filesystem::path& part, const File& file) {
  const int fd = ::open(part.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return system_failure("read", part);
  crypto::Sha256Hasher hasher;
  std::uint64_t size = 0;
  std::string block(kBlock, '\0');
  ssize_t n = 1;
  while (n > 0 && size <= file.size) {
    n = ::read(fd, block.data(), block.size());
    if (n <= 0) continue;
    hasher.add(as_bytes(std::string_view(block).substr(0, static_cast<std::size_t>(n))));
    size += static_cast<std::uint64_t>(n);
  }
  ::close(fd);
  if (n == 0 && size == file.size && hex(hasher.finish()) == file.sha256) return {};
  return fail(Code::kDenied, part.string() + " is not the file that was downloaded any more", "wrong_hash");
}

net::Task<Result<>> download(Source& source, File file, std::filesystem::path part, DownloadLimits limits,
                             Progress progress) {
  Transfer transfer{source, std::move(file), limits, std::move(progress)};
  auto done = co_await net::with_timeout(transfer.run(std::move(part)), limits.total);
  co_return done;
}

}  // namespace portolan::update
