// What agents are told, as the JSON that is sent (api::AgentView). What is said of a resource is the same for everybody
// who may use it, so it is put into words once and kept for as long as nothing of it changes; a person's resources are
// looked for again only when access has changed. One loop.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/agent.h"
#include "control/caller.h"
#include "control/core.h"
#include "control/health.h"
#include "control/presence.h"
#include "control/routing.h"

namespace portolan::control {

// What is said of a resource.
struct AgentEntry {
  std::string id;
  std::string name;
  std::string text;                        // of api::AgentResource
  std::vector<api::AgentEgress> egresses;  // the nodes and clusters that it names
  std::set<std::string> clusters = {};     // of its workers
  bool stale = false;                      // something of it has changed
};

// Which resources an account may use, as it was found last.
struct UsableResources {
  std::string epoch;  // empty: not looked for yet
  std::uint64_t revision = 0;
  WallTime found{};
  std::optional<WallTime> until;  // a grant begins or ends then
  std::vector<std::string> ids;
  std::vector<std::shared_ptr<const AgentEntry>> entries;  // of those that are there, by name
};

// The JSON object with one member more, whose value is JSON already.
std::string with_member(std::string object, std::string_view name, std::string_view value);

class AgentViews {
 public:
  AgentViews(Core& core, const Presence& presence, const Health& health, const Routing& routing)
      : core_(core), presence_(presence), health_(health), routing_(routing) {}

  // The view of the caller, who must be in the directory of `lookup`. `usable` is brought up to date.
  std::string text(const Lookup& lookup, const Caller& caller, UsableResources& usable);

 private:
  using EntryPtr = std::shared_ptr<const AgentEntry>;
  // Forgets what has changed since it was asked last.
  void forget_changed(const directory::Snapshot& snapshot);
  void forget(const std::string& resource);
  void forget_all();
  // Null: the resource has gone.
  EntryPtr entry(const directory::Snapshot& snapshot, const std::string& id);
  // Puts new entries in the place of stale ones.
  void refresh(const directory::Snapshot& snapshot, UsableResources& usable);
  void find_usable(const Lookup& lookup, const std::string& account, UsableResources& usable);
  bool still_usable(const directory::Snapshot& snapshot, const UsableResources& usable) const;
  std::vector<api::AgentGateway> gateways(const directory::Snapshot& snapshot) const;

  Core& core_;
  const Presence& presence_;
  const Health& health_;
  const Routing& routing_;
  std::unordered_map<std::string, std::shared_ptr<AgentEntry>> entries_;  // by resource
  std::string epoch_;
  std::uint64_t revision_ = 0;
  std::uint64_t told_ = 0;  // of health
};

}  // namespace portolan::control
