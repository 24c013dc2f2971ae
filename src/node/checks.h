// Makes the checks that the control plane gives this node: real sign-ins by the drivers, a few at a time, within their
// deadlines. No sessions: nothing goes on record.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "api/health.h"
#include "net/task.h"
#include "protocols/driver.h"

namespace portolan::node {

// One loop. stop() before destruction.
class Checks {
 public:
  // Which protocols there are; the registry's, but for tests.
  using Find = std::function<const protocols::Protocol*(std::string_view name)>;
  // `on_result` is called when a check is over.
  using OnResult = std::function<void(const std::string& resource, bool healthy)>;
  Checks(const net::Executor& executor, std::chrono::milliseconds dial_limit, OnResult on_result,
         Find find = protocols::find_protocol);
  // What this node says that it can check.
  static std::vector<std::string> protocols();
  void begin(api::CheckTask task);
  // Results that have not been taken yet.
  std::vector<api::CheckResult> take();
  // They could not be handed over: next time.
  void put_back(std::vector<api::CheckResult> results);
  net::Task<> stop();

 private:
  net::Task<> run(api::CheckTask task);
  net::Task<Result<>> probe(const protocols::Protocol& protocol, const api::CheckTask& task,
                            std::vector<net::Endpoint> hosts, std::chrono::milliseconds deadline);
  void finish(const api::CheckTask& task, const Result<>& outcome, std::chrono::milliseconds took);

  std::chrono::milliseconds dial_limit_;
  OnResult on_result_;
  Find find_;
  std::vector<api::CheckResult> results_;
  net::TaskGroup tasks_;
};

// What the control plane is told of a failure: a stable code, and words with the address that never hold the password,
// whatever the resource sent back.
std::string code_of(const Error& error);
std::string words_of(const Error& error, const api::CheckTask& task);

}  // namespace portolan::node
