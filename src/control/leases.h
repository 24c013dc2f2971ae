// Leases: a node's permission to serve one account from one device on one resource for a short time, with the
// credential in it (architecture §5). Given for an assertion that the account's device has just signed for this node;
// kept in memory, so that they can be taken back when the directory no longer allows them. After a restart nothing is
// known of those given before: nodes report the sessions that live on them, and what is still allowed is taken in
// again.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "api/lease.h"
#include "base/clock.h"
#include "base/result.h"
#include "control/identity_tokens.h"
#include "control/lookup.h"
#include "crypto/sealing.h"

namespace portolan::control {

// Nonces of assertions with what they were used for, remembered for an assertion's life and twice the clock slack. Each
// account has a share, so that one cannot fill what all need.
class NonceUses {
 public:
  explicit NonceUses(std::size_t limit = 1'000'000, std::size_t share = 20'000) : limit_(limit), share_(share) {}
  using Nonce = std::array<std::byte, 16>;
  // Code::kDenied if it was used for something else, kLimit when full of live ones.
  Result<> use(const Nonce& nonce, const std::string& account, const std::string& node, const std::string& request,
               BootTime now);

 private:
  struct Use {
    std::string account;
    std::string node;
    std::string request;
  };
  std::size_t limit_;
  std::size_t share_;
  std::map<Nonce, Use> uses_;
  std::map<std::string, std::size_t> shares_;  // how many are an account's
  std::deque<std::pair<BootTime, Nonce>> order_;
};

// One loop.
class Leases {
 public:
  // Tells the node to end the sessions of these leases and to forget them.
  using OnRevoke = std::function<void(const std::string& node, std::vector<std::string> leases, const Error& reason)>;
  Leases(const Clock& clock, std::chrono::milliseconds life, const crypto::SealingKey& sealing,
         const IdentityTokens& identity_tokens, OnRevoke on_revoke)
      : clock_(clock),
        life_(life),
        sealing_(sealing),
        identity_tokens_(identity_tokens),
        on_revoke_(std::move(on_revoke)) {}

  // `understood`: the features that the node says it has (protocols/features.h); one that lacks what the resource needs
  // gets no lease.
  // The same request again gets the same lease. A renewal keeps the id of the lease that it renews, so that taking the
  // id back ends every session that ever lived on it.
  Result<api::Lease> grant(const Lookup& lookup, const std::string& node, const api::LeaseRequest& request,
                           const std::vector<std::string>& understood);
  // Which of the node's sessions must end, and why; those that it did not get from this process and may keep are taken
  // in.
  api::LiveSessionsAnswer check(const Lookup& lookup, const std::string& node, const api::LiveSessions& sessions);
  // After every change of the directory: revokes what is not allowed any more.
  void reevaluate(const Lookup& lookup);
  std::size_t size() const { return live_.size(); }

 private:
  struct Live {
    std::string account;
    std::string device;  // empty: not known, since it was given before a restart
    std::string resource;
    std::string node;
    std::string target = {};  // hash of what the lease says of the resource
    std::uint64_t resource_revision = 0;
    BootTime ends{};
  };
  using Key = std::tuple<std::string, std::string, std::string, std::string>;  // account, device, resource, node
  static Key key_of(const Live& live) { return {live.account, live.device, live.resource, live.node}; }

  Result<WallTime> may_go_on(const Lookup& lookup, const Live& live) const;
  Result<> take_in(const Lookup& lookup, const std::string& node, const api::LiveSession& session);
  static Result<> check_understood(const Lookup& lookup, const Live& live, const std::vector<std::string>& needed,
                                   const std::vector<std::string>& understood);
  Result<Secret> open(const std::string& sealed, const std::string& context, const std::string& what) const;
  const std::string& keep(Live live);
  void forget(const std::string& id);
  void forget_ended();

  const Clock& clock_;
  std::chrono::milliseconds life_;
  const crypto::SealingKey& sealing_;
  const IdentityTokens& identity_tokens_;
  OnRevoke on_revoke_;
  NonceUses nonces_;
  std::map<std::string, Live> live_;   // by lease id
  std::map<Key, std::string> by_key_;  // the newest id
  BootTime next_sweep_{};
};

// Why not, in words that a person can act on; the code is the decision's.
Error denial(const directory::Snapshot& snapshot, std::string_view account, std::string_view resource,
             const directory::Decision& decision);
// What the password of a resource, and the key of its certificate, is sealed for.
std::string password_context(std::string_view resource);
std::string tls_key_context(std::string_view resource);

}  // namespace portolan::control
