// Keeps the node's certificate and the authorities that it trusts fresh: asks for a new certificate at two thirds of
// the present one's life, or when another authority signs by now; takes what the control plane tells of the
// authorities. What is new is on the disk before it is used (docs/wire.md, "Renewal").
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>

#include "api/client.h"
#include "base/clock.h"
#include "net/event.h"
#include "node/identity.h"

namespace portolan::node {

enum class Renewed { kCertificate, kTrust };

// One loop; starts at once. stop() before destruction.
class Renewal {
 public:
  struct Parts {
    std::filesystem::path data;
    Identity& identity;  // changed in place
    api::ControlClient& control;
    const Clock& clock;
    std::function<void(Renewed what)> on_renewed;
  };
  Renewal(const net::Executor& executor, Parts parts);
  // From the watch.
  void take(const api::TrustedAuthorities& trust);
  net::Task<> stop();

 private:
  net::Task<> keep();
  std::chrono::milliseconds until_due() const;
  net::Task<Result<>> renew_once();
  Result<> accept(const api::RenewedCertificate& answer);

  Parts parts_;
  net::Event changed_;
  net::TaskGroup tasks_;
};

// Whether this may take the place of the identity's certificate: the same name and key, by an authority of these.
Result<> check_renewed(const Identity& identity, const crypto::Certificate& certificate,
                       const std::vector<crypto::Certificate>& node_ca, WallTime now);

}  // namespace portolan::node
