// Session: all that a driver may ask for. Implemented by node/session.cc, faked by protocols/testing/. It can only be
// made from a granted lease, so to skip authorization does not compile.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "audit/records.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/stop.h"
#include "net/stream.h"
#include "protocols/derived_keys.h"
#include "protocols/hosts.h"

namespace portolan::protocols {

// Who uses what, with which credential: the driver's view of the lease.
struct Granted {
  std::string account;  // a-…
  std::string email;
  std::string device;
  std::string resource;              // rs-…
  std::string name;                  // the resource's
  std::vector<net::Endpoint> hosts;  // hosts_of(): at least the resource's own
  std::map<std::string, std::string> settings;
  std::string username;
  Secret password;
  Secret tls_key;  // PEM, of the certificate in the settings; empty: none
};

// A way to cancel what a session is doing, from another connection of the same client (PostgreSQL CancelRequest, MySQL
// KILL). The numbers are made up by the egress and valid for the same account, device and resource only.
struct CancelKey {
  std::uint32_t process = 0;
  std::uint32_t secret = 0;
  auto operator<=>(const CancelKey&) const = default;
};

class Session {
 public:
  virtual ~Session() = default;

  virtual const std::string& id() const = 0;     // s-…, random, made at the egress
  virtual const std::string& trace() const = 0;  // runs through all hops
  virtual const Granted& granted() const = 0;
  virtual const Clock& clock() const = 0;
  // Fires when the session must end (revoked, lease over, node stopping): the driver says so to the client and returns.
  virtual net::StopSignal& stop() = 0;

  // Connects to granted().hosts[host], within the node's limit; plain TCP. Errors bear Hop::kResource.
  virtual net::Task<Result<std::unique_ptr<net::Stream>>> dial(std::size_t host) = 0;

  // The resource has let this session in: told at once, before any traffic.
  virtual void let_in() {}

  // By this the control plane tells the resource who its user is, where the resource's settings ask for it: a signed
  // token (a JWT) made for this account and resource alone, the newest one that the lease has come with. Empty: none.
  virtual Secret identity_token() const { return {}; }

  // What drivers have worked out from this lease's credential; for the life of the lease.
  virtual DerivedKeys& derived_keys() = 0;

  // Puts a query on record; the session fills in who, what and the sequence. Fails when the record cannot be kept as
  // the resource demands: then the session must end with that error.
  virtual Result<> record(audit::Query query) = 0;
  // What the resource demands of its records.
  virtual audit::Mode audit_mode() const = 0;
  // Under strict audit: whether something is on record that is not on the disk yet, so that no byte of an answer may go
  // on. Else never.
  virtual bool must_wait() const = 0;
  // Calls `then`, from the loop and never within this call, when all is on the disk that was on record before it; or
  // with the error for which the session must end. May outlive the session.
  virtual void when_kept(std::move_only_function<void(Result<>)> then) = 0;
  // Tells the record what the client says of itself (application_name) and which database it opened; before the first
  // query.
  virtual void describe_client(std::string client, std::string database) = 0;
  // Counts bytes towards and from the resource.
  virtual void count_bytes(std::uint64_t to_resource, std::uint64_t from_resource) = 0;

  // Registers `cancel` under a new made-up key until the session ends.
  virtual CancelKey offer_cancel(std::function<net::Task<Result<>>()> cancel) = 0;
  // Runs the registered cancel of a session of the same account, device and resource; Code::kNotFound if there is none.
  virtual net::Task<Result<>> cancel(CancelKey key) = 0;
};

}  // namespace portolan::protocols
