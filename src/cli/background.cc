#include "cli/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "cli/agent_api.h"

namespace portolan::cli {
namespace {

constexpr std::chrono::milliseconds kStartLimit = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kPollPause = std::chrono::milliseconds(50);

// In the grandchild: only calls that are safe between fork and exec.
[[noreturn]] void become_agent(const char* program, const char* log) {
  setsid();
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (null < 0 || out < 0) _exit(127);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  if (chdir("/") != 0) _exit(127);
  execl(program, "portolan", "agent", static_cast<char*>(nullptr));
  _exit(127);
}

// By way of a child that ends at once, so that the agent is nobody's child and no zombie stays.
Result<> spawn_agent(const client::Home& home) {
  const std::string program = own_program();
  // The agent changes its folder, and must find the home all the same.
  std::error_code error;
  const auto folder = std::filesystem::absolute(home.folder(), error);
  if (error) return fail(Code::kIo, "find " + home.folder().string() + ": " + error.message());
  setenv("PORTOLAN_HOME", folder.c_str(), 1);
  const std::string log = (folder / "agent.log").string();
  const pid_t child = fork();
  if (child < 0) return fail(Code::kIo, std::string("start the agent: ") + std::strerror(errno));
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) become_agent(program.c_str(), log.c_str());
    _exit(grandchild < 0 ? 1 : 0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return fail(Code::kIo, "start the agent: no more processes can be made");
  return {};
}

// The process number of the agent that login has started.
std::filesystem::path started_file(const client::Home& home) { return home.folder() / "agent.background"; }

}  // namespace

std::string own_program() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0 || access(path.data(), X_OK) != 0) return "/proc/self/exe";
  return path.data();
}

net::Task<Result<AgentNow>> reload_or_start_agent(client::Home home) {
  AgentApi agent(home);
  const auto reloaded = co_await agent.reload();
  if (reloaded) co_return AgentNow::kReloaded;
  if (!is_agent_away(reloaded.error())) co_return std::unexpected(reloaded.error());
  CO_CHECK(spawn_agent(home));
  const auto limit = Clock::real().boot() + kStartLimit;
  while (Clock::real().boot() < limit) {
    CO_CHECK(co_await net::sleep_for(kPollPause));
    const auto status = co_await agent.status();
    if (!status) continue;
    CO_CHECK(write_file(started_file(home), std::to_string(status->pid) + "\n", Privacy::kPublic));
    co_return AgentNow::kStarted;
  }
  co_return fail(Code::kInternal, "the agent did not start; its log is " + (home.folder() / "agent.log").string() +
                                      ", and to see it run: portolan agent");
}

net::Task<Result<>> stop_or_reload_agent(client::Home home) {
  AgentApi agent(home);
  const auto status = co_await agent.status();
  if (!status && is_agent_away(status.error())) co_return Result<>{};
  if (!status) co_return std::unexpected(status.error());
  const auto started = read_file(started_file(home));
  if (!started || *started != std::to_string(status->pid) + "\n") co_return co_await agent.reload();
  std::error_code ignored;
  std::filesystem::remove(started_file(home), ignored);
  co_return co_await agent.stop();
}

}  // namespace portolan::cli
