// Every part a process of its own: this program again, with the command that runs the part. A thread for each waits for
// its end and starts it again, later each time while it keeps dying. The children die with the parent
// (PR_SET_PDEATHSIG), even if that is killed; they are groups of their own, so that Ctrl-C reaches the parent alone,
// which then stops them in order.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/background.h"
#include "cli/dev_parts.h"

extern char** environ;

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause = std::chrono::milliseconds(100);
constexpr std::chrono::milliseconds kLongestPause = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kLongLife = std::chrono::seconds(10);

// All that exec needs, made before fork: between the two nothing may allocate.
struct Program {
  std::string path;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

std::unique_ptr<Program> make_program(const DevPart& part) {
  auto program = std::make_unique<Program>();
  program->path = own_program();
  program->arguments = part.arguments;
  program->arguments.insert(program->arguments.begin(), "portolan");
  // Settings in our own environment are not meant for the parts.
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with("PORTOLAN_")) program->environment.emplace_back(*variable);
  for (const auto& [name, value] : part.environment) program->environment.push_back(name + "=" + value);
  for (std::string& argument : program->arguments) program->argv.push_back(argument.data());
  for (std::string& variable : program->environment) program->envp.push_back(variable.data());
  program->argv.push_back(nullptr);
  program->envp.push_back(nullptr);
  return program;
}

[[noreturn]] void become(const Program& program, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, STDIN_FILENO);
  execve(program.path.c_str(), program.argv.data(), program.envp.data());
  _exit(127);
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

class Supervised {
 public:
  using OnChange = std::function<void()>;
  Supervised(const net::Executor& main, DevPart described, OnChange on_change)
      : part(std::move(described)),
        changed(main),
        main_(main),
        on_change_(std::move(on_change)),
        program_(make_program(part)) {}

  void begin() {
    thread_ = std::thread([this] { supervise(); });
  }
  void join() { thread_.join(); }
  // From now on its end is reported and mended.
  void establish() {
    const std::lock_guard lock(mutex_);
    established_ = true;
  }
  void request_stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (pid_ > 0) kill(pid_, SIGTERM);
    wake_.notify_all();
  }
  void kill_now() {
    const std::lock_guard lock(mutex_);
    if (pid_ > 0) kill(pid_, SIGKILL);
  }

  const DevPart part;
  // On the main loop.
  pid_t pid = 0;
  std::optional<Error> failed;
  bool ended = false;
  net::Event changed;

 private:
  void supervise();
  void tell(pid_t now);
  bool run_once(std::chrono::milliseconds& pause);

  net::Executor main_;
  OnChange on_change_;
  std::unique_ptr<Program> program_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  pid_t pid_ = 0;
  bool stopping_ = false;
  bool established_ = false;
};

void Supervised::tell(pid_t now) {
  net::post(main_, [this, now] {
    pid = now;
    changed.set();
    on_change_();
  });
}

// Whether to go on.
bool Supervised::run_once(std::chrono::milliseconds& pause) {
  const auto began = Clock::real().boot();
  pid_t child = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    const pid_t parent = getpid();
    child = fork();
    if (child == 0) become(*program_, parent);
    pid_ = child;
  }
  if (child > 0) tell(child);
  int status = 0;
  while (child > 0 && waitid(P_PID, static_cast<id_t>(child), nullptr, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  std::unique_lock lock(mutex_);
  // Reaped under the lock: until then the number cannot belong to another process that stop() would hit.
  if (child > 0) waitpid(child, &status, 0);
  pid_ = 0;
  if (stopping_) return false;
  const std::string end = child > 0 ? how_it_ended(status) : "it could not be forked";
  if (!established_) {
    net::post(main_, [this, end] {
      failed = Error{Code::kInternal, fmt::format("start {}: {}", part.name, end)};
      changed.set();
    });
    return false;
  }
  pause = Clock::real().boot() - began > kLongLife ? kFirstPause : std::min(pause * 2, kLongestPause);
  log::warn("a part ended and is started again", {{"part", part.part}, {"name", part.name}, {"end", end}});
  wake_.wait_for(lock, pause, [this] { return stopping_; });
  return !stopping_;
}

void Supervised::supervise() {
  std::chrono::milliseconds pause = kFirstPause / 2;
  while (run_once(pause)) {
  }
  net::post(main_, [this] {
    ended = true;
    changed.set();
  });
}

class DevProcesses final : public DevParts {
 public:
  DevProcesses(const net::Executor& executor, std::vector<std::string> log_arguments, std::function<void()> on_change)
      : executor_(executor), log_arguments_(std::move(log_arguments)), on_change_(std::move(on_change)) {}

  net::Task<Result<>> start(DevPart part) override;
  std::vector<DevProcess> processes() const override;
  net::Task<> stop() override;

 private:
  net::Executor executor_;
  std::vector<std::string> log_arguments_;
  std::function<void()> on_change_;
  std::vector<std::unique_ptr<Supervised>> supervised_;
};

net::Task<Result<>> DevProcesses::start(DevPart part) {
  part.arguments.insert(part.arguments.end(), log_arguments_.begin(), log_arguments_.end());
  supervised_.push_back(std::make_unique<Supervised>(executor_, std::move(part), on_change_));
  Supervised& supervised = *supervised_.back();
  supervised.begin();
  auto answered =
      co_await probe_until(supervised.part.probe, [&supervised] { return supervised.failed; }, kDevStartLimit);
  supervised.establish();
  if (!answered && answered.error().code != Code::kCancelled && !supervised.failed)
    co_return std::unexpected(std::move(answered).error().within("start " + supervised.part.name));
  co_return answered;
}

std::vector<DevProcess> DevProcesses::processes() const {
  std::vector<DevProcess> out;
  for (const auto& each : supervised_) out.push_back({each->part.part, each->part.name, each->pid, each->part.address});
  return out;
}

net::Task<> DevProcesses::stop() {
  while (!supervised_.empty()) {
    Supervised& supervised = *supervised_.back();
    supervised.request_stop();
    const auto end = Clock::real().boot() + kDevStopLimit;
    while (!supervised.ended) {
      [[maybe_unused]] const auto waited = co_await supervised.changed.wait(std::chrono::milliseconds(200));
      if (!supervised.ended && Clock::real().boot() > end) supervised.kill_now();
    }
    supervised.join();
    supervised_.pop_back();
  }
}

}  // namespace

std::unique_ptr<DevParts> make_dev_processes(const net::Executor& executor, std::vector<std::string> log_arguments,
                                             std::function<void()> on_change) {
  return std::make_unique<DevProcesses>(executor, std::move(log_arguments), std::move(on_change));
}

}  // namespace portolan::cli
