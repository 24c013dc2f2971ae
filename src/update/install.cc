#include "update/install.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"

extern char** environ;

namespace portolan::update {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::size_t kMostOutput = 4096;
constexpr std::string_view kSays = "portolan ";

std::unexpected<Error> system_failure(std::string_view what, const fs::path& path) {
  const int number = errno;
  const Code code = number == ENOENT                                         ? Code::kNotFound
                    : number == EACCES || number == EPERM || number == EROFS ? Code::kDenied
                                                                             : Code::kIo;
  return fail(code, fmt::format("{} {}: {}", what, path.string(), std::strerror(number)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Result<> sync_folder(const fs::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || ::fsync(opened.get()) != 0) return system_failure("sync", folder);
  return {};
}

std::unexpected<Error> does_not_start(const fs::path& program, std::string_view why) {
  return fail(Code::kUnavailable, fmt::format("{} does not start: {}", program.string(), why),
              std::string(kDoesNotStart));
}

// A child of ours until it has ended.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) end();
  }
  // Kills it if it still runs, and gives how it ended.
  int end() {
    ::kill(pid_, SIGKILL);
    return wait(0).value_or(0);
  }
  // How it ended, if it has.
  std::optional<int> wait(int flags) {
    int status = 0;
    for (;;) {
      const pid_t ended = ::waitpid(pid_, &status, flags);
      if (ended < 0 && errno == EINTR) continue;
      if (ended == 0) return std::nullopt;
      pid_ = -1;
      return ended < 0 ? 0 : status;
    }
  }

 private:
  pid_t pid_;
};

Result<pid_t> spawn(const fs::path& program, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string path = program.string();
  std::string argument = "--version";
  char* arguments[] = {path.data(), argument.data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return does_not_start(program, std::strerror(failed));
  return pid;
}

// Until the other end is closed, `most` bytes have come, or the time is over (Code::kTimeout).
Result<std::string> read_until(int fd, BootTime end, std::size_t most) {
  std::string out;
  char block[1024];
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::real().boot());
    if (left <= milliseconds(0)) return fail(Code::kTimeout, "timed out");
    pollfd waited{fd, POLLIN, 0};
    const int ready = ::poll(&waited, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return fail(Code::kIo, std::strerror(errno));
    if (ready <= 0) continue;
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno != EINTR) return fail(Code::kIo, std::strerror(errno));
    if (n == 0) return out;
    if (n > 0) out.append(block, static_cast<std::size_t>(n));
    if (out.size() > most) return fail(Code::kLimit, "it says too much");
  }
}

std::string how_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("it was ended by signal {}", WTERMSIG(status));
  return fmt::format("it ended with status {}", WEXITSTATUS(status));
}

// As the one who was there before: owner, group and mode, as far as we may.
Result<> make_like(const fs::path& made, const fs::path& model) {
  struct stat info{};
  if (::stat(model.c_str(), &info) != 0) return system_failure("look at", model);
  const mode_t mode = (info.st_mode & 0777U) | 0500U;
  if (::geteuid() == 0 && ::chown(made.c_str(), info.st_uid, info.st_gid) != 0)
    return system_failure("give away", made);
  if (::chmod(made.c_str(), mode) != 0) return system_failure("make executable", made);
  return {};
}

// A second name for the file, or, where the file system has none, a copy. The old one goes when the new one is there.
Result<> keep(const fs::path& program, const fs::path& previous) {
  const fs::path beside = previous.string() + "." + make_token(6);
  if (::link(program.c_str(), beside.c_str()) != 0) {
    std::error_code error;
    if (!fs::copy_file(program, beside, error))
      return fail(Code::kIo, fmt::format("keep {} as {}: {}", program.string(), beside.string(), error.message()));
    const Descriptor copied(::open(beside.c_str(), O_RDONLY | O_CLOEXEC));
    if (copied.get() < 0 || ::fsync(copied.get()) != 0) return system_failure("write", beside);
    PL_CHECK(make_like(beside, program));
  }
  if (::rename(beside.c_str(), previous.c_str()) != 0) {
    auto failure = system_failure("keep", previous);
    ::unlink(beside.c_str());
    return failure;
  }
  // Two names of one file: rename(2) then does nothing and leaves the first.
  ::unlink(beside.c_str());
  return {};
}

Result<> expect_version(const fs::path& program, const Version& version, milliseconds limit) {
  PL_TRY(const std::string told, told_version(program, limit));
  if (told != version.text()) return does_not_start(program, "it says that it is " + quoted(told));
  return {};
}

// The present one, if the new one was put in its place and does not start there.
Result<> put_back(const Place& place, Error why) {
  const fs::path previous = previous_of(place);
  if (::rename(previous.c_str(), place.program.c_str()) != 0) {
    const auto failure = system_failure("go back to", previous);
    return fail(Code::kInternal, why.message + "; and " + failure.error().message, std::string(kDoesNotStart));
  }
  PL_CHECK(sync_folder(place.program.parent_path()));
  why.message += "; the program before is back in its place";
  return std::unexpected(std::move(why));
}

Result<> put_in_place(const Place& place, const fs::path& part, const Version& version) {
  PL_CHECK(make_like(part, place.program));
  PL_CHECK(expect_version(part, version, place.start_limit));
  PL_CHECK(keep(place.program, previous_of(place)));
  PL_CHECK(sync_folder(place.program.parent_path()));
  if (::rename(part.c_str(), place.program.c_str()) != 0) return system_failure("replace", place.program);
  PL_CHECK(sync_folder(place.program.parent_path()));
  auto starts = expect_version(place.program, version, place.start_limit);
  if (!starts) return put_back(place, std::move(starts).error());
  return {};
}

}  // namespace

Result<Place> this_place() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error || !fs::is_regular_file(program, error))
    return fail(Code::kNotFound, "the file of this program has gone; install it anew");
  return Place{std::move(program)};
}

fs::path part_of(const Place& place, const Version& version) {
  return place.program.parent_path() / fmt::format(".{}.part-{}", place.program.filename().string(), version.text());
}

fs::path previous_of(const Place& place) {
  return place.program.parent_path() / fmt::format(".{}.previous", place.program.filename().string());
}

Result<> check_replaceable(const Place& place) {
  struct stat info{};
  if (::lstat(place.program.c_str(), &info) != 0) return system_failure("look at", place.program);
  if (!S_ISREG(info.st_mode)) return fail(Code::kInvalid, place.program.string() + " is not a regular file");
  const fs::path folder = place.program.parent_path();
  if (::access(folder.c_str(), W_OK) == 0) return {};
  return fail(Code::kDenied,
              fmt::format("{} cannot be written to: run this as its owner (sudo portolan update), or update "
                          "by what has installed it",
                          folder.string()));
}

Result<std::string> told_version(const fs::path& program, milliseconds limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_failure("start", program);
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  PL_TRY(const pid_t pid, spawn(program, writing.get()));
  Child child(pid);
  writing.close();
  const BootTime end = Clock::real().boot() + limit;
  auto output = read_until(reading.get(), end, kMostOutput);
  if (!output)
    return does_not_start(program, output.error().code == Code::kTimeout
                                       ? "it says nothing within " + format_duration(limit)
                                       : output.error().message);
  // It has closed its output; what has not ended by now is about to, or never will.
  std::optional<int> status = child.wait(WNOHANG);
  while (!status && Clock::real().boot() < end) {
    ::poll(nullptr, 0, 5);
    status = child.wait(WNOHANG);
  }
  if (!status) return does_not_start(program, "it does not end within " + format_duration(limit));
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) return does_not_start(program, how_ended(*status));
  std::string_view line = *output;
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (!line.starts_with(kSays)) return does_not_start(program, "it says " + quoted(line));
  return std::string(line.substr(kSays.size()));
}

Result<> install(const Place& place, const fs::path& part, const Version& version) {
  auto done = put_in_place(place, part, version);
  ::unlink(part.c_str());
  return done;
}

Result<std::string> go_back(const Place& place) {
  const fs::path previous = previous_of(place);
  auto told = told_version(previous, place.start_limit);
  if (!told) {
    std::error_code error;
    if (fs::exists(previous, error)) return told;
    return fail(Code::kNotFound,
                fmt::format("there is no program before this one to go back to ({})", previous.string()));
  }
  const fs::path beside = previous.string() + "." + make_token(6);
  PL_CHECK(keep(place.program, beside));
  if (::rename(previous.c_str(), place.program.c_str()) != 0) {
    auto failure = system_failure("replace", place.program);
    ::unlink(beside.c_str());
    return failure;
  }
  if (::rename(beside.c_str(), previous.c_str()) != 0) return system_failure("keep", previous);
  PL_CHECK(sync_folder(place.program.parent_path()));
  return told;
}

void remove_parts(const Place& place, const std::string& kept) {
  const std::string begins = fmt::format(".{}.part-", place.program.filename().string());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(place.program.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(begins) || name.substr(begins.size()) == kept) continue;
    if (::unlink(entry.path().c_str()) == 0) log::debug("removed an unfinished download", {{"file", name}});
  }
}

}  // namespace portolan::update
