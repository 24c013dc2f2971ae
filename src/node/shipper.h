// Hands what is on record over to the control plane: in order, at least once; what was acknowledged leaves the spool.
// Beside that, every two seconds, the node's signature of how far its chain is on the disk (docs/wire.md, "The audit
// chain"): once the control plane has it, not even the node can change what came before.
#pragma once
#include <string>

#include "api/client.h"
#include "audit/spool.h"
#include "base/clock.h"
#include "crypto/key.h"
#include "net/task.h"

namespace portolan::node {

// Who signs.
struct Signer {
  std::string node;
  crypto::PrivateKey key;
  const Clock& clock;
};

// One loop; starts at once. stop() before destruction.
class Shipper {
 public:
  // `client` is its own connection: a slow hand-over must not hold up leases.
  Shipper(const net::Executor& executor, audit::Spool& spool, std::unique_ptr<api::ControlClient> client,
          Signer signer);
  // The node's certificate has been renewed.
  Result<> renew(const api::ControlAddress& address) { return client_->renew(address); }
  // Waits until the spool is empty and the last head is told, at most `limit`, then stops.
  net::Task<> stop(std::chrono::milliseconds limit);

 private:
  bool chains_known() const;
  net::Task<> ship();
  net::Task<Result<>> hand_over(const audit::SpoolBatch& batch);
  // As the previous release takes them; also what it left here.
  net::Task<Result<>> hand_over_unchained(const audit::SpoolBatch& batch);
  net::Task<> tell_heads();
  net::Task<Result<>> tell_head();

  audit::Spool& spool_;
  std::unique_ptr<api::ControlClient> client_;
  Signer signer_;
  std::optional<BootTime> chains_unknown_until_;  // the control plane is of the previous release
  std::pair<std::string, std::uint64_t> told_;    // chain and number of the last head
  net::TaskGroup tasks_;
};

}  // namespace portolan::node
