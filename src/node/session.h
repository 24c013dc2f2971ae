// One use of one resource by one account: implements what drivers see of it (protocols/session.h). Made from a granted
// lease only.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "api/audit.h"
#include "api/lease.h"
#include "audit/spool.h"
#include "node/leases.h"
#include "protocols/session.h"

namespace portolan::node {

// The cancel functions of live sessions, by who may use them. Owned by the egress; one loop.
class CancelRegistry {
 public:
  protocols::CancelKey add(const LeaseKey& owner, std::function<net::Task<Result<>>()> cancel);
  void remove(const LeaseKey& owner, protocols::CancelKey key);
  // A copy, since the session may end while it runs; empty if there is none.
  std::function<net::Task<Result<>>()> find(const LeaseKey& owner, protocols::CancelKey key) const;

 private:
  std::map<std::pair<LeaseKey, protocols::CancelKey>, std::function<net::Task<Result<>>()>> cancels_;
};

struct SessionParts {
  audit::Spool& spool;
  LeaseCache& leases;
  CancelRegistry& cancels;
  const Clock& clock;
  std::chrono::milliseconds dial_limit;
};

class NodeSession final : public protocols::Session, public LeaseHolder {
 public:
  // Puts the start on record and holds the lease; fails if either cannot be.
  static Result<std::unique_ptr<NodeSession>> begin(SessionParts parts, std::shared_ptr<const api::Lease> lease,
                                                    std::string trace);
  ~NodeSession() override;
  // Puts the end on record, once. No error: an ordinary end.
  void end(const Result<>& outcome);

  const std::string& id() const override { return id_; }
  const std::string& trace() const override { return trace_; }
  const protocols::Granted& granted() const override { return granted_; }
  const Clock& clock() const override { return parts_.clock; }
  net::StopSignal& stop() override { return stop_; }
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(std::size_t host) override;
  protocols::DerivedKeys& derived_keys() override { return *derived_keys_; }
  Result<> record(audit::Query query) override;
  void describe_client(std::string client, std::string database) override;
  void count_bytes(std::uint64_t to_resource, std::uint64_t from_resource) override;
  protocols::CancelKey offer_cancel(std::function<net::Task<Result<>>()> cancel) override;
  net::Task<Result<>> cancel(protocols::CancelKey key) override;

  const std::string& session_id() const override { return id_; }
  void lease_ended(Error reason) override { stop_.stop(std::move(reason)); }

 private:
  NodeSession(SessionParts parts, std::shared_ptr<const api::Lease> lease, std::vector<net::Endpoint> hosts,
              std::string trace);
  api::AuditRecord blank(std::string kind);
  LeaseKey key() const { return {lease_->account, lease_->device, lease_->resource}; }

  SessionParts parts_;
  std::shared_ptr<const api::Lease> lease_;
  std::string id_;
  std::string trace_;
  protocols::Granted granted_;
  std::shared_ptr<protocols::DerivedKeys> derived_keys_;
  net::StopSignal stop_;
  std::uint64_t sequence_ = 0;
  std::string client_, database_;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  BootTime started_{};
  std::vector<protocols::CancelKey> offered_;
  bool ended_ = true;  // until its beginning is on record
};

}  // namespace portolan::node
