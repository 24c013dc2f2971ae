// The parts that `portolan dev` runs, in one of two ways: each on a thread of this process, or each a process of its
// own that is started again when it dies.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/dev_ready_file.h"
#include "cli/part.h"

namespace portolan::cli {

struct DevPart {
  std::string part;  // "control-plane", "gateway", "relay", "agent"
  std::string name;
  std::string address;
  StartPart start;                                               // on a thread
  std::vector<std::string> arguments;                            // as a process: of this program
  std::vector<std::pair<std::string, std::string>> environment;  // and added to its environment
  // Whether it answers; asked again and again until it does.
  std::function<net::Task<Result<>>()> probe;
};

// On the main loop. stop() before destruction.
class DevParts {
 public:
  virtual ~DevParts() = default;
  // Returns when the part answers its probe, or with why it did not start.
  virtual net::Task<Result<>> start(DevPart part) = 0;
  // As they are now; empty if all share one process.
  virtual std::vector<DevProcess> processes() const = 0;
  // Each in good order, the last one started first.
  virtual net::Task<> stop() = 0;
};

std::unique_ptr<DevParts> make_dev_threads(const net::Executor& executor);
// `on_change` runs on the main loop when a process has been started again. `log_arguments` are added to every part's.
std::unique_ptr<DevParts> make_dev_processes(const net::Executor& executor, std::vector<std::string> log_arguments,
                                             std::function<void()> on_change);

// Asks until the answer is good, `given_up` says that it never will be, or the time is over.
net::Task<Result<>> probe_until(std::function<net::Task<Result<>>()> probe,
                                std::function<std::optional<Error>()> given_up, std::chrono::milliseconds limit);

inline constexpr std::chrono::milliseconds kDevStartLimit = std::chrono::seconds(30);
inline constexpr std::chrono::milliseconds kDevStopLimit = std::chrono::seconds(8);

}  // namespace portolan::cli
