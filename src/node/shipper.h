// Hands what is on record over to the control plane: in order, at least once; what was acknowledged leaves the spool.
#pragma once
#include "api/client.h"
#include "audit/spool.h"
#include "net/task.h"

namespace portolan::node {

// One loop; starts at once. stop() before destruction.
class Shipper {
 public:
  // `client` is its own connection: a slow hand-over must not hold up leases.
  Shipper(const net::Executor& executor, audit::Spool& spool, std::unique_ptr<api::ControlClient> client);
  // The node's certificate has been renewed.
  Result<> renew(const api::ControlAddress& address) { return client_->renew(address); }
  // Waits until the spool is empty, at most `limit`, then stops.
  net::Task<> stop(std::chrono::milliseconds limit);

 private:
  net::Task<> ship();

  audit::Spool& spool_;
  std::unique_ptr<api::ControlClient> client_;
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
