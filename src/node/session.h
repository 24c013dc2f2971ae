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

struct AuditCounters {
  std::uint64_t lost = 0;  // records that could not be kept, of resources whose audit is best-effort
};

enum class Entrance { kLetIn, kKeptOut };

struct SessionParts {
  audit::Spool& spool;
  LeaseCache& leases;
  CancelRegistry& cancels;
  const Clock& clock;
  std::chrono::milliseconds dial_limit;
  AuditCounters* counters = nullptr;  // may be left out
  // Told of each session whether its resource let it in; may be left out.
  std::function<void(const std::string& resource, Entrance entrance)> on_entrance = {};
};

class NodeSession final : public protocols::Session, public LeaseHolder {
 public:
  // Puts the start on record, as the resource demands, and holds the lease; fails if either cannot be. Under strict
  // audit no driver may begin before kept().
  static Result<std::unique_ptr<NodeSession>> begin(SessionParts parts, std::shared_ptr<const api::Lease> lease,
                                                    std::string trace);
  ~NodeSession() override;
  // Waits until all that is on record is on the disk, if the session must.
  net::Task<Result<>> kept();
  // Puts the end on record, once. No error: an ordinary end.
  void end(const Result<>& outcome);

  const std::string& id() const override { return id_; }
  const std::string& type() const { return lease_->type; }  // of the resource: its protocol
  const std::string& trace() const override { return trace_; }
  const protocols::Granted& granted() const override { return granted_; }
  const Clock& clock() const override { return parts_.clock; }
  net::StopSignal& stop() override { return stop_; }
  net::Task<Result<std::unique_ptr<net::Stream>>> dial(std::size_t host) override;
  void let_in() override;
  Secret identity_token() const override;
  protocols::DerivedKeys& derived_keys() override { return *derived_keys_; }
  Result<> record(audit::Query query) override;
  audit::Mode audit_mode() const override { return mode_; }
  bool must_wait() const override { return mode_ == audit::Mode::kStrict && kept_->kept < kept_->appended; }
  void when_kept(std::move_only_function<void(Result<>)> then) override;
  void describe_client(std::string client, std::string database) override;
  void count_bytes(std::uint64_t to_resource, std::uint64_t from_resource) override;
  protocols::CancelKey offer_cancel(std::function<net::Task<Result<>>()> cancel) override;
  net::Task<Result<>> cancel(protocols::CancelKey key) override;

  const std::string& session_id() const override { return id_; }
  void lease_ended(Error reason) override { stop_.stop(std::move(reason)); }

 private:
  NodeSession(SessionParts parts, std::shared_ptr<const api::Lease> lease, std::vector<net::Endpoint> hosts,
              std::string trace, audit::Mode mode);
  // Best-effort audit does without what cannot be kept.
  Result<> append(const api::AuditRecord& record, std::string_view what);
  api::AuditRecord blank(std::string kind);
  std::string alike(std::string_view client, std::string_view database) const;
  LeaseKey key() const { return {lease_->account, lease_->device, lease_->resource}; }

  SessionParts parts_;
  std::shared_ptr<const api::Lease> lease_;
  std::string id_;
  std::string trace_;
  audit::Mode mode_;
  protocols::Granted granted_;
  std::shared_ptr<protocols::DerivedKeys> derived_keys_;
  net::StopSignal stop_;
  struct Kept {  // counts of records; shared with what waits for the disk
    std::uint64_t appended = 0;
    std::uint64_t kept = 0;
  };
  const std::shared_ptr<Kept> kept_ = std::make_shared<Kept>();
  std::uint64_t sequence_ = 0;
  std::optional<std::uint64_t> under_way_;  // the sequence of the record that the answered query has already
  std::string alike_;                       // what all its records say, as it stands in their JSON
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  BootTime started_{};
  std::vector<protocols::CancelKey> offered_;
  bool let_in_ = false;
  bool ended_ = true;  // until its beginning is on record
};

}  // namespace portolan::node
