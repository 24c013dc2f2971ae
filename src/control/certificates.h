// Issuing certificates to nodes and to people's devices: the first one, and each that takes its place. A renewed one is
// for the same name and the same key: what is shown of the key in the handshake proves that it is still held, a crash
// at either end leaves certificates and key that belong together, a second link by the same key is known to be the same
// process's (docs/wire.md, "Renewal"), and a person's access assertions go on. A new key is made by joining or signing
// in anew.
#pragma once
#include <chrono>
#include <string>

#include "api/keys.h"
#include "control/routes.h"

namespace portolan::control {

class TrustReaders;

struct Issued {
  crypto::Certificate certificate;
  directory::HeldCertificate held;  // in no state yet
};
Result<Issued> issue_for_node(const Core& core, const directory::Node& node, std::chrono::milliseconds life);
Result<Issued> issue_for_device(const Core& core, const directory::Device& device, const std::string& email,
                                WallTime until, std::chrono::milliseconds life);

// POST /v1/node/certificate, by the node's certificate, and POST /v1/sign-ins/current/certificate, by the device's or,
// since that may have ended while the machine slept, by the sign-in's token: what it gives is for the registered key.
class Certificates {
 public:
  Certificates(Core& core, const TrustReaders& readers) : core_(core), readers_(readers) {}
  void add_to(Routes& routes);
  // Of people's: short where everything that meets them renews and lets links go on.
  std::chrono::milliseconds life_for_people() const;
  // The certificate by which the caller has come, if it was pending, takes the other one's place.
  net::Task<Result<>> take_into_use(const Exchange& exchange);

 private:
  net::Task<Answer> renew_node(Exchange exchange);
  net::Task<Answer> renew_device(Exchange exchange);

  Core& core_;
  const TrustReaders& readers_;
};

}  // namespace portolan::control
