// Follows the control plane: the node's view, revocations, and how long the control plane has been away. One loop.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/client.h"
#include "base/clock.h"
#include "net/task.h"

namespace portolan::node {

// Between the end of a person's sessions, which the control plane orders for each lease, and that of their links: the
// time for drivers to tell the person why.
inline constexpr std::chrono::milliseconds kGoodbye{1500};

// What the node does with sessions while the control plane is away (architecture §5; tested as a table).
struct AwayRules {
  bool renew = false;  // ask for leases and renewals
  bool new_on_cached_leases = false;
  bool keep_live_sessions = false;
};
// `away`: none while the watch is up; `grace`: how long live sessions outlast the control plane.
AwayRules rules_when(std::optional<std::chrono::milliseconds> away, std::chrono::milliseconds grace);

// The view with what is asked of it often, indexed.
struct IndexedView {
  explicit IndexedView(api::NodeView from);
  bool account_may_reach(const std::string& account, const std::string& node) const;
  // Whether a person's certificate is taken back: by account, device or serial.
  bool denies(const std::string& account, const std::string& device, const std::string& serial) const;
  // The same of somebody whose certificate was shown to another gateway.
  bool denies(const std::string& account, const std::string& device) const {
    return denied_accounts.contains(account) || denied_devices.contains(device);
  }
  bool denies_serial(const std::string& serial) const { return denied_serials.contains(serial); }
  // The gateways that lead to this node, best first.
  std::vector<std::string> via(const std::string& node) const {
    const auto found = next_hops.find(node);
    return found == next_hops.end() ? std::vector<std::string>{} : found->second;
  }

  api::NodeView view;
  std::map<std::string, std::set<std::string>> reach;
  std::set<std::string> gateways;                             // others that are in use
  std::map<std::string, std::vector<std::string>> next_hops;  // by node
  std::set<std::string> denied_accounts, denied_devices, denied_serials;
};

class ControlWatch {
 public:
  struct Listeners {
    std::function<void()> on_connected;  // the first line of each watch
    std::function<void()> on_view;
    // `code`: stable, may be empty.
    std::function<void(const std::vector<std::string>& leases, const std::string& reason, const std::string& code)>
        on_revoke;
    std::function<void()> on_health_wanted = [] {};
    // An admin ends it.
    std::function<void(const std::string& session, const std::string& reason, const std::string& code)> on_end =
        [](const std::string&, const std::string&, const std::string&) {};
    std::function<void(const api::TrustedAuthorities& trust)> on_trust = {};
  };

  // Starts following. `client` outlives it. `facts` are the query of the watch: the node's address and version.
  ControlWatch(const net::Executor& executor, api::ControlClient& client, const Clock& clock,
               std::map<std::string, std::string> facts, Listeners listeners);

  // Watches anew, by the client's present certificate, and says which authorities this node knows by now. The watch
  // that runs goes on until the new one has begun.
  void begin_anew(std::string trust_version);

  const IndexedView* view() const { return view_ ? &*view_ : nullptr; }
  // The control plane does not take this node any more: it was revoked. Until the watch begins again.
  bool refused() const { return refused_; }
  // This node has been revoked: for good, as far as this identity goes.
  bool revoked() const { return revoked_; }
  // None while the watch is up.
  std::optional<std::chrono::milliseconds> away() const;
  net::TaskGroup& tasks() { return tasks_; }

 private:
  net::Task<> follow(std::uint64_t generation);
  void keep_ways(api::NodeView& view) const;
  Result<> take_line(std::uint64_t generation, bool& first, std::string_view line);

  api::ControlClient& client_;
  const Clock& clock_;
  std::map<std::string, std::string> facts_;
  Listeners listeners_;
  std::optional<IndexedView> view_;
  bool revoked_ = false;
  std::optional<BootTime> down_since_;
  bool refused_ = false;
  std::uint64_t newest_ = 0;   // generation of watches
  std::uint64_t talking_ = 0;  // the newest of which a line has come: older ones end
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
