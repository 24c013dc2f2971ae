// Signing in by password, and out. A sign-in registers the device's key, certifies it, and gives out a bearer token;
// both end with the sign-in.
#pragma once
#include <string>

#include "api/sign_in.h"
#include "control/certificates.h"
#include "control/routes.h"

namespace portolan::control {

class SignIns {
 public:
  SignIns(Core& core, const Certificates& certificates);
  void add_to(Routes& routes);

  // The account whose password this is; the same time and the same answer for one that does not exist. `email` as a
  // person types it, `address` is where from. A failure is logged, a lock is put on record.
  net::Task<Result<directory::Account>> authenticate(std::string email, Secret password, std::string address);
  // What signs in: checked before anybody is asked who they are.
  struct Installation {
    crypto::PublicKey key;
    std::string name;
    std::optional<std::string> device;  // of an earlier sign-in
    bool renews = false;                // its certificate by itself
  };
  static Result<Installation> check(const std::string& public_key, std::string name, std::optional<std::string> device,
                                    std::optional<bool> renews);
  // Signs the account in that was verified, if nothing of it has changed since.
  net::Task<Result<api::SignedIn>> sign_in(directory::Account verified, Installation installation);

 private:
  net::Task<Result<directory::Account>> by_password(std::string email, Secret password);
  net::Task<> note_lock(std::string email, std::string address);
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> end(Exchange exchange);
  net::Task<Answer> change_password(Exchange exchange);

  Core& core_;
  const Certificates& certificates_;
  std::string dummy_hash_;  // of a password that nobody knows
};

}  // namespace portolan::control
