// Keeps the certificate of the one who is signed in, and the authorities that are trusted here, fresh: until the
// sign-in itself ends (docs/wire.md, "Renewal"). What is new is on the disk before it is used.
#pragma once
#include <chrono>
#include <functional>

#include "api/client.h"
#include "base/clock.h"
#include "client/home.h"
#include "net/event.h"

namespace portolan::client {

// One loop; starts at once. stop() before destruction.
class Renewal {
 public:
  struct Parts {
    Home home;
    Credentials& credentials;  // changed in place
    api::ControlClient& control;
    const Clock& clock;
    std::function<void()> on_renewed;
  };
  Renewal(const net::Executor& executor, Parts parts);
  // From the watch.
  void take(const api::TrustedAuthorities& trust);
  net::Task<> stop();

 private:
  net::Task<> keep();
  std::chrono::milliseconds until_due() const;
  net::Task<Result<>> renew_once();
  net::Task<Result<std::string>> ask();
  Result<> accept(const api::RenewedCertificate& answer);
  void use(Credentials next);

  Parts parts_;
  net::Event changed_;
  net::TaskGroup tasks_;
};

// How the control plane is reached by these credentials.
Result<api::ControlAddress> control_address(const Credentials& credentials);

}  // namespace portolan::client
