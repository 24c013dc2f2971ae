#include "services/downloads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "services/ranges.h"
#include "services/services.h"

namespace portolan::services {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr std::size_t kDepth = 8;    // folders in a path
constexpr std::size_t kThreads = 2;  // that read from the disk

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
  const int fd_;
};

struct Opened {
  std::shared_ptr<const Descriptor> file;
  std::uint64_t size = 0;
  std::string etag;
};

std::unexpected<Error> no_such_file() { return fail(Code::kNotFound, "there is no such file"); }

// Out of descriptors is no answer about the file.
std::unexpected<Error> not_opened() {
  const int number = errno;
  if (number == ENOENT || number == ENOTDIR || number == ELOOP || number == EACCES || number == ENAMETOOLONG)
    return no_such_file();
  return fail(Code::kUnavailable, std::string("cannot read the file now: ") + std::strerror(number));
}

// Step by step, so that no symbolic link is followed on the way, whoever put one there. O_NONBLOCK: a pipe's opening
// would wait for its other end.
Result<Opened> open_below(const std::filesystem::path& folder, const std::vector<std::string>& segments) {
  auto at = std::make_shared<const Descriptor>(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (at->get() < 0) return not_opened();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string& name = segments[i];
    if (name.empty() || name.starts_with('.') || name.find('/') != std::string::npos) return no_such_file();
    const bool last = i + 1 == segments.size();
    const int flags = last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY;
    auto next = std::make_shared<const Descriptor>(::openat(at->get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
    if (next->get() < 0) return not_opened();
    at = std::move(next);
  }
  struct stat info{};
  if (::fstat(at->get(), &info) != 0 || !S_ISREG(info.st_mode)) return no_such_file();
  const auto written = static_cast<std::uint64_t>(info.st_mtim.tv_sec) * 1'000'000'000U +
                       static_cast<std::uint64_t>(info.st_mtim.tv_nsec);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  return Opened{std::move(at), size, fmt::format("\"{:x}-{:x}-{:x}\"", info.st_ino, size, written)};
}

// At least one byte of [begin, end).
Result<std::string> read_at(const Descriptor& file, std::uint64_t begin, std::uint64_t end) {
  std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, kPiece)), '\0');
  for (;;) {
    const ssize_t n = ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(begin));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Code::kIo, std::string("read a file to give out: ") + std::strerror(errno));
    if (n == 0) return fail(Code::kIo, "a file that is given out has become shorter");
    piece.resize(static_cast<std::size_t>(n));
    return piece;
  }
}

std::string_view type_of(const std::string& name) {
  if (name.ends_with(".json")) return "application/json";
  if (name.ends_with(".txt") || name.ends_with(".pem")) return "text/plain; charset=utf-8";
  return "application/octet-stream";
}

class Downloads final : public Service {
 public:
  explicit Downloads(DownloadsOptions options) : options_(std::move(options)), pool_("downloads", kThreads) {
    std::string pattern;
    for (std::size_t depth = 0; depth <= kDepth; ++depth) {
      pattern += fmt::format("/{{segment{}}}", depth);
      router_.add_stream("GET", pattern,
                         [this](net::http::Call call, net::http::Sink& sink) { return give(std::move(call), sink); });
    }
  }
  const net::http::Router& router() const override { return router_; }
  net::http::ServerOptions http() const override {
    net::http::ServerOptions options;
    options.limits.body_bytes = 1024;  // nobody has anything to say
    return options;
  }

 private:
  net::Task<Result<>> give(net::http::Call call, net::http::Sink& sink) {
    auto open = [folder = options_.folder, segments = call.path_arguments] { return open_below(folder, segments); };
    CO_TRY(const auto opened, co_await net::run_blocking(pool_, std::move(open)));
    const Wanted wanted = wanted_of(call.request, opened.size, opened.etag);
    CO_CHECK(co_await sink.begin(head_of(wanted, opened, call.path_arguments)));
    const bool has_body = wanted.verdict == Verdict::kWhole || wanted.verdict == Verdict::kPart;
    if (!has_body || call.request.method == "HEAD") co_return Result<>{};
    std::uint64_t at = wanted.range.begin;
    while (at < wanted.range.end) {
      auto read = [file = opened.file, at, end = wanted.range.end] { return read_at(*file, at, end); };
      const auto piece = co_await net::run_blocking(pool_, std::move(read));
      if (!piece) {
        log::warn("a download broke off", {{"path", call.request.path}, {"error", piece.error()}});
        co_return std::unexpected(piece.error());
      }
      CO_CHECK(co_await sink.send(*piece));
      at += piece->size();
    }
    co_return Result<>{};
  }

  static net::http::Response head_of(const Wanted& wanted, const Opened& opened,
                                     const std::vector<std::string>& segments) {
    net::http::Response head;
    switch (wanted.verdict) {
      case Verdict::kWhole: break;
      case Verdict::kPart:
        head.status = 206;
        head.headers["content-range"] =
            fmt::format("bytes {}-{}/{}", wanted.range.begin, wanted.range.end - 1, opened.size);
        break;
      case Verdict::kUnchanged: head.status = 304; break;
      case Verdict::kUnsatisfiable:
        head = net::http::problem(416, "range", "the file has no such bytes");
        head.headers["content-range"] = fmt::format("bytes */{}", opened.size);
        break;
      case Verdict::kFailed: head = net::http::problem(412, "precondition", "the file is another one by now"); break;
    }
    head.headers["etag"] = opened.etag;
    head.headers["accept-ranges"] = "bytes";
    head.headers["x-content-type-options"] = "nosniff";
    // Files of a version never change; what says which version there is may change at any time.
    head.headers["cache-control"] =
        segments.front() == "files" ? "public, max-age=31536000, immutable" : "public, no-cache";
    if (head.status < 300) head.headers["content-type"] = type_of(segments.back());
    return head;
  }

  DownloadsOptions options_;
  net::BlockingPool pool_;
  net::http::Router router_;
};

}  // namespace

Result<std::unique_ptr<Service>> make_downloads(const net::Executor&, DownloadsOptions options) {
  std::error_code error;
  if (!std::filesystem::is_directory(options.folder, error))
    return fail(Code::kInvalid, "the folder of releases " + quoted(options.folder.string()) + " is not there");
  return std::make_unique<Downloads>(std::move(options));
}

}  // namespace portolan::services
