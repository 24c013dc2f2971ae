// Tells the control plane how this node is (api/health.h), at least every ten seconds and at once when a link goes
// down, and makes the checks that it is given in answer. A control plane of the previous release does not know this:
// it is left in peace and asked again once in ten minutes.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/client.h"
#include "api/health.h"
#include "base/clock.h"
#include "net/event.h"
#include "net/task.h"
#include "node/checks.h"

namespace portolan::node {

// What of the process goes into every report: CPU since the last call, memory, descriptors.
class ProcessLoad {
 public:
  void fill(api::NodeLoad& load);

 private:
  std::chrono::microseconds cpu_{};
  BootTime at_{};
};

// One loop; starts at once. stop() before destruction.
class Reporter {
 public:
  // What only the node knows: its links, and of the load what it counts itself.
  using Facts = std::function<void(api::NodeHealth&)>;
  // `client` is its own connection: a report must not wait for others' calls.
  Reporter(const net::Executor& executor, std::unique_ptr<api::ControlClient> client, const Clock& clock,
           std::chrono::milliseconds dial_limit, Facts facts, Checks::Find find = protocols::find_protocol);
  // A session has been let in by its resource, or not: reported at once if the last check or session found otherwise.
  void saw(const std::string& resource, bool healthy);
  // Reports soon: something has changed, or there are checks to be fetched.
  void poke();
  // The node's certificate has been renewed.
  Result<> renew(const api::ControlAddress& address) { return client_->renew(address); }
  net::Task<> stop();

 private:
  net::Task<> follow();
  net::Task<Result<std::chrono::milliseconds>> report_once();
  void compare_clocks(WallTime sent, WallTime theirs);

  std::unique_ptr<api::ControlClient> client_;
  const Clock& clock_;
  Facts facts_;
  BootTime began_;
  ProcessLoad process_;
  std::map<std::string, bool> known_;  // whether a resource was well, by the last check or session
  std::vector<api::ResourceSeen> seen_;
  bool poked_ = false;
  bool told_of_clock_ = false;
  bool told_of_old_ = false;
  net::Event wake_;
  Checks checks_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
