// Leases that this node holds, in memory only, one per (account, device, resource): asked for when a client knocks,
// renewed with fresh assertions that the client signs while its sessions live, ended by time, by revocation, or when
// the control plane says so.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "api/client.h"
#include "api/lease.h"
#include "base/clock.h"
#include "net/event.h"
#include "node/control_watch.h"
#include "protocols/derived_keys.h"

namespace portolan::node {

// What the end of a lease ends. Implemented by the session.
class LeaseHolder {
 public:
  virtual ~LeaseHolder() = default;
  virtual const std::string& session_id() const = 0;
  virtual void lease_ended(Error reason) = 0;
};

struct LeaseKey {
  std::string account;
  std::string device;
  std::string resource;
  auto operator<=>(const LeaseKey&) const = default;
};

// One loop; outlives its holders.
class LeaseCache {
 public:
  LeaseCache(const net::Executor& executor, api::ControlClient& client, const Clock& clock, std::string node);

  // The lease for one who knocks with `assertion` (verified by the caller against the client's proven identity): the
  // cached one, or one asked for now. Several who knock at once share one request. `away` as ControlWatch::away().
  net::Task<Result<std::shared_ptr<const api::Lease>>> get(LeaseKey key, std::string assertion,
                                                           std::optional<std::chrono::milliseconds> away);
  // Asks for the lease anew; a refusal ends it and its sessions.
  net::Task<Result<std::shared_ptr<const api::Lease>>> renew(LeaseKey key, std::string assertion);

  // A live session on the lease; hold() fails if the lease has ended meanwhile. Gives what drivers keep with its
  // credential, which forgets all when the lease ends or has another credential.
  Result<std::shared_ptr<protocols::DerivedKeys>> hold(const LeaseKey& key, LeaseHolder& holder);
  void release(const LeaseKey& key, LeaseHolder& holder);
  // As it was renewed last; null when it has ended.
  std::shared_ptr<const api::Lease> newest(const LeaseKey& key) const;

  // `code`: of the reason, as the control plane gives it; of the known ones it depends whether a retry helps.
  void revoke(const std::vector<std::string>& leases, const std::string& reason, std::string_view code = {});
  // Its lease serves no new session; others on it end with it, or when the sweep comes.
  void end_session(const std::string& session, const std::string& reason, std::string_view code = {});
  void end_all(const Error& reason);
  // Forgets leases without sessions: a control plane that has just come back may not know them, and could not take them
  // back.
  void forget_unused();
  // Once a second: ends what has run out, forgets what nobody holds.
  void sweep(std::optional<std::chrono::milliseconds> away);

  std::vector<api::LiveSession> live() const;
  std::size_t sessions() const;
  // How long leases are given out for, as last seen: what live sessions outlast the control plane by.
  std::chrono::milliseconds grace() const { return grace_; }

 private:
  struct Entry {
    std::shared_ptr<const api::Lease> lease;
    std::shared_ptr<protocols::DerivedKeys> derived;  // with its sessions, which may outlive the lease by a moment
    BootTime ends{};
    std::set<LeaseHolder*> holders;
  };
  net::Task<Result<std::shared_ptr<const api::Lease>>> request(LeaseKey key, std::string assertion);
  Result<std::shared_ptr<const api::Lease>> take_over(const LeaseKey& key, api::Lease lease);
  static void forget(Entry& entry);
  static void end(Entry& entry, const Error& reason);

  net::Executor executor_;
  api::ControlClient& client_;
  const Clock& clock_;
  std::string node_;
  const std::vector<std::string> understood_;
  std::chrono::milliseconds grace_ = std::chrono::minutes(5);
  std::map<LeaseKey, Entry> entries_;
  std::map<LeaseKey, std::shared_ptr<net::Event>> asking_;
  std::size_t requests_ = 0;  // under way
  std::set<std::string>
      overtaken_;  // leases taken back while a request is under way: its answer may be on a slower connection
};

}  // namespace portolan::node
