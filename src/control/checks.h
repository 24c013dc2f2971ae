// Checks: whether each resource can be used, found out by the nodes that may be its egress, by real sign-ins. This is
// the plan and the book: which check is due, who is given it (with the credential, a check lease), and what came of it.
// In memory only; pure but for randomness; the routes are in health.h.
//
// A credential leaves the control plane only for a node that may be the resource's egress by the directory of that
// moment, only when a check is due or an admin has asked, within rates, one task at a time for each (resource, node);
// each one is counted and shown. An answer counts once, from that node, with the task's nonce, in time.
//
// The schedule goes on whether or not anybody looks: `portolan ls` and the order of egress nodes are to be right at
// first sight. 10,000 resources behind two nodes are 20,000 sign-ins: at `rate` a second they take 400 s a round, the
// one that has waited longest first.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/health.h"
#include "base/clock.h"
#include "control/check_rules.h"
#include "control/lookup.h"

namespace portolan::control {

// So many a second on average, so many at once.
class Allowance {
 public:
  Allowance(double rate, double burst) : rate_(rate), burst_(burst), left_(burst) {}
  bool take(BootTime now);
  void set_rate(double rate) { rate_ = rate; }

 private:
  double rate_;
  double burst_;
  double left_;
  BootTime last_{};
};

// One loop.
class Checks {
 public:
  using Key = std::pair<std::string, std::string>;  // resource, node
  enum class Health { kUnknown, kHealthy, kUnhealthy };
  struct State {
    Health shown = Health::kUnknown;    // by the last check
    Health settled = Health::kUnknown;  // does not flap: what agents are told
    std::string code = "never_checked";
    std::string reason = "it has not been checked yet";
    std::string settled_reason;
    WallTime since{};
    std::optional<WallTime> checked;
    std::uint64_t duration_ms = 0;
    std::uint64_t given = 0;  // credentials handed out
  };
  // The open credential of a resource, for a task.
  struct Secrets {
    Secret password = {};
    std::optional<Secret> tls_key = {};
  };
  using Credential = std::function<Result<Secrets>(const directory::Resource&)>;

  Checks(const Clock& clock, CheckRules rules, Credential credential);

  // Brings the book in line with the directory; quick if nothing has changed.
  void follow(const LookupPtr& lookup);
  // The node is there, can check these protocols and has these features (protocols/features.h).
  void node_can(const std::string& node, const std::vector<std::string>& protocols,
                const std::vector<std::string>& understands = {});
  bool can_check(const std::string& node) const;
  // What the node shall check now, in the directory that was followed last.
  std::vector<api::CheckTask> take(const std::string& node);
  // When the node should come again at the latest.
  std::chrono::milliseconds next(const std::string& node) const;
  // False: not a task of this node's that waits for an answer; counted.
  bool answer(const std::string& node, const api::CheckResult& result);
  // A session of this node's was let in by its resource, which is as good as a check, or was not: then it is checked at
  // once, unless it is known to be unhealthy, or nothing is checked unasked. Whether anything has changed.
  bool seen(const std::string& node, const api::ResourceSeen& seen);
  // An admin wants it now: the next task of each of the nodes. Code::kLimit when asked for too often.
  Result<> ask(const std::string& resource, const std::vector<std::string>& nodes);
  bool is_asked(const Key& key) const;
  // Forgets tasks that nobody has answered.
  void sweep();

  const State* find(const Key& key) const;
  const std::map<Key, State>& all() const { return states_; }
  std::uint64_t refused() const { return refused_; }

  // ---- for watches ----
  // Of the last change of what is shown; changes have numbers in their order.
  std::uint64_t sequence() const { return sequence_; }
  struct Changed {
    Key key;
    bool removed = false;
  };
  // What has changed since `after`, each once; Code::kLimit if that is too long ago to know what was removed.
  Result<std::vector<Changed>> changed_since(std::uint64_t after) const;
  // All that the node has is shown in another way: it has come or gone.
  void node_changed(const std::string& node);
  // The resources whose settled health has changed since it was asked last.
  std::set<std::string> take_settled() { return std::exchange(settled_, std::set<std::string>()); }

 private:
  struct Plan {
    BootTime due{};
    std::string task;       // that is out
    unsigned failures = 0;  // in a row
    unsigned contrary = 0;  // results in a row unlike the settled health
    bool asked = false;
    BootTime hinted{};  // when a session that was kept out has made it due last
    std::uint64_t sequence = 0;
    std::uint64_t generation = 0;  // of the last follow() that found it
  };
  struct Task {
    Key key;
    Secret nonce;
    BootTime ends{};
  };
  struct Worker {
    std::set<std::string> protocols;
    std::set<std::pair<BootTime, std::string>> due;  // resource
    std::size_t out = 0;
    Allowance allowance;
    BootTime seen{};
    std::vector<std::string> understands = {};
  };
  // What a check is made with; anything else about a resource does not matter here.
  struct Target {
    std::string type, host, username, sealed_password, sealed_tls_key;
    std::uint16_t port = 0;
    std::map<std::string, std::string> settings;
    bool operator==(const Target&) const = default;
  };
  struct Known {
    Target target;
    std::uint64_t revision = 0;  // of the resource; 0: from before there were any
  };
  // Of all that follow() looks at: unlike another one when any of it has been made, changed or removed.
  struct Stamp {
    std::size_t resources = 0;
    std::size_t nodes = 0;
    std::size_t groups = 0;
    std::uint64_t last = 0;  // revision
    bool operator==(const Stamp&) const = default;
  };
  static Stamp stamp_of(const directory::Snapshot& snapshot);

  Worker& worker(const std::string& node);
  void note_pair(const std::string& resource, const std::string& node, bool is_new_target, std::size_t& fresh);
  void schedule(const Key& key, Plan& plan, BootTime due);
  bool understood(const Key& key, Plan& plan, const Worker& at, const directory::Resource& resource);
  void remove(const Key& key);
  void settle(const Key& key, Plan& plan, State& state, Health health);
  void changed(const Key& key, Plan& plan);
  void apply(const Key& key, Health health, std::string code, std::string reason, std::uint64_t duration_ms);
  std::chrono::milliseconds pause(const Plan& plan, const State& state) const;
  Result<api::CheckTask> make_task(const Key& key, const directory::Resource& resource);

  const Clock& clock_;
  CheckRules rules_;
  Credential credential_;
  LookupPtr lookup_;
  std::uint64_t generation_ = 0;
  std::map<Key, State> states_;
  std::map<Key, Plan> plans_;  // of the same keys
  Stamp stamp_;
  std::map<std::string, Known> targets_;
  std::map<std::string, Worker> workers_;
  std::map<std::string, Task> tasks_;
  Allowance asked_;
  std::uint64_t refused_ = 0;
  std::uint64_t sequence_ = 0;
  std::map<std::uint64_t, Key> order_;  // of the last change of each
  std::deque<std::pair<std::uint64_t, Key>> removed_;
  std::uint64_t removed_forgotten_ = 0;  // up to here
  std::set<std::string> settled_;
};

}  // namespace portolan::control
