// Which nodes are there, and what they report of themselves: known by their watches and requests, volatile, in memory
// only (heartbeats and health raise no revision). One loop.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/node_facts.h"
#include "base/clock.h"
#include "control/lookup.h"

namespace portolan::control {

class Presence {
 public:
  struct State {
    unsigned watches = 0;
    std::optional<WallTime> last_seen;
    std::optional<WallTime> since;  // it came or went
    std::string version;
    std::optional<std::string> web_address = {};  // of links over WebSocket, as its watch has said last
    std::uint64_t sessions = 0;
    std::optional<api::NodeFacts> facts;
    std::optional<WallTime> up_since = {};  // of the last time that it was up
    BootTime left{};                        // when its last watch ended
    BootTime reported{};                    // the facts
    bool silent = false;                    // it has reported once, and no more
    bool leaving = false;                   // it was told to stop
    bool linking = false;                   // it has begun just now: its links are on their way
    std::uint64_t sequence = 0;             // of the last change that is worth showing
    std::string trouble_shown{};            // what was wrong with it when it was last noted
  };

  // A node's watch, for as long as this lives: the node is up.
  class Seat {
   public:
    Seat(Presence& presence, std::string node);
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat();

   private:
    Presence& presence_;
    std::string node_;
  };

  // `on_change` is called when a node comes or goes.
  Presence(const Clock& clock, std::function<void(const std::string& node)> on_change)
      : clock_(clock), on_change_(std::move(on_change)) {}
  // The node has sent something; what is sent to it says nothing of it.
  void seen(const std::string& node);
  void set_version(const std::string& node, std::string version) { states_[node].version = std::move(version); }
  void set_web_address(const std::string& node, std::optional<std::string> address) {
    states_[node].web_address = std::move(address);
  }
  void set_sessions(const std::string& node, std::uint64_t sessions) { states_[node].sessions = sessions; }
  void report(const std::string& node, api::NodeFacts facts);
  void forget(const std::string& node) { states_.erase(node); }
  // It says that it leaves, or does not any more.
  void set_leaving(const std::string& node, bool leaving);
  void set_linking(const std::string& node, bool linking) { states_[node].linking = linking; }
  bool up(const std::string& node) const;
  // Whether it is up and takes what is new.
  bool serves(const std::string& node) const;
  State of(const std::string& node) const;
  // None: nothing has been heard of it. Until the next change.
  const State* find(const std::string& node) const;
  // What is wrong with the node, in words that say what to do; empty: nothing.
  std::string trouble(const directory::Node& node, const Lookup& lookup) const;
  struct Noted {
    bool any = false;
    std::vector<std::string> turned;  // nodes that are down by their silence, or no longer
  };
  // Notes what has become worth showing of the nodes since the last time; to be called every second, since silence is
  // no event.
  Noted note_changes(const Lookup& lookup);
  std::uint64_t sequence() const { return sequence_; }

 private:
  std::string trouble_with_links(const State& state, const directory::Node& node, const Lookup& lookup) const;

  const Clock& clock_;
  std::function<void(const std::string& node)> on_change_;
  std::map<std::string, State> states_;
  std::uint64_t sequence_ = 0;
  std::optional<BootTime> noted_;
  std::vector<std::string> turned_;
};

}  // namespace portolan::control
