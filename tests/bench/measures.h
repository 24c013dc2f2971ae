// The loads that are put on a control plane, each with the samples that come of it. What a load lets fail is counted in
// its samples: a figure with failures is no figure.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "samples.h"
#include "world.h"

namespace portolan::bench {

using Clients = std::vector<std::unique_ptr<api::ControlClient>>;

// Leases at a fixed rate, whether or not the ones before have been answered, each with an assertion of its own: people
// and resources in turn. Time runs from when each was due.
struct LeaseLoad {
  unsigned rate = 200;  // a second
  std::chrono::seconds time = std::chrono::seconds(30);
};
net::Task<Result<Samples>> measure_leases(const std::vector<Person>& people, const std::vector<std::string>& resources,
                                          const std::string& node, const Clients& clients, LeaseLoad load);

// One page after the other.
net::Task<Result<Samples>> measure_list(api::ControlClient& admin, std::map<std::string, std::string> query,
                                        unsigned times);

// Renames the changing resource again and again; time runs from before the change is asked for until a watcher has the
// line that says so. `agents` hear it on their own views, `lists` on a watch of resources.
struct Watched {
  Samples agents;
  Samples lists;
};
net::Task<Result<Watched>> measure_watches(api::ControlClient& admin, const Clients& agents, const Clients& lists,
                                           unsigned rounds);

// Sign-ins with wrong passwords, `count` at any time, until it is destroyed; what came of them is counted by its
// answer.
class SignInStorm {
 public:
  SignInStorm(net::Executor executor, const Control& control, unsigned count);
  net::Task<> stop();
  // How often each answer came.
  const std::map<std::string, std::uint64_t>& answers() const { return answers_; }

 private:
  net::Task<> attack(unsigned number);
  const Control& control_;
  bool stopping_ = false;
  std::map<std::string, std::uint64_t> answers_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::bench
