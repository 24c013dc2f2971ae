// /v1/accounts: people and programs that may sign in.
#pragma once
#include "api/admin.h"
#include "control/routes.h"

namespace portolan::control {

inline constexpr std::size_t kPasswordLimit = 1024;  // bytes; the hash costs the same for all
inline constexpr std::size_t kPasswordLeast = 8;

// Whether it may become a password.
Result<> check_password(const Secret& password);

class Accounts {
 public:
  explicit Accounts(Core& core) : core_(core) {}
  void add_to(Routes& routes);
  // Makes an account; for the API and for the first admin of a new server. By `actor`.
  net::Task<Result<directory::Account>> make(std::string actor, api::AccountCreate request);

 private:
  net::Task<Answer> create(Exchange exchange);
  net::Task<Answer> update(Exchange exchange);
  net::Task<Answer> remove(Exchange exchange);
  net::Task<Answer> unlock(Exchange exchange);
  net::Task<Result<directory::Account>> checked(api::AccountCreate request);
  net::Task<Result<std::string>> checked_hash(Secret password);

  Core& core_;
};

// A service account does not: an API token ends, or is lost, and only who signs in makes another one.
bool is_admin_who_can_sign_in(const directory::Account& account);
// Code::kConflict, reason "last_admin", if nobody is left who could undo what has been done.
Result<> keep_an_admin(const store::Change& change);
// Its name and kind; the e-mail address has its own rule (normalize_email).
Result<> check_account(const directory::Account& account);

api::AccountView account_view(const directory::Account& account);
// And whether it is locked. On the loop.
api::AccountView account_view(const Core& core, const directory::Account& account);

}  // namespace portolan::control
