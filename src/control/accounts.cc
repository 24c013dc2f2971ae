#include "control/accounts.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"

namespace portolan::control {
namespace {

constexpr std::string_view kPerson = "person";
constexpr std::string_view kService = "service";

Error no_password_for_services() {
  return {Code::kInvalid, "password: a service account has none; give it an API token"};
}

Result<> note_unlocked(store::Change& change, const directory::Account& account) {
  return change.note("account.unlocked", account.id, account.email,
                     json::print(boost::json::object{{"email", account.email}}));
}

}  // namespace

bool is_admin_who_can_sign_in(const directory::Account& account) {
  return account.admin && !account.suspended && account.kind == kPerson && !account.password_hash.empty();
}

Result<> keep_an_admin(const store::Change& change) {
  const auto& accounts = change.now().accounts;
  if (std::ranges::any_of(accounts, [](const auto& entry) { return is_admin_who_can_sign_in(entry.second); }))
    return {};
  return fail(
      Code::kConflict,
      "this is the last admin who can sign in; make another one first: a person, not suspended, with a password",
      "last_admin");
}

Result<> check_account(const directory::Account& account) {
  PL_CHECK(check_text("name", account.name));
  if (account.kind == kPerson || account.kind == kService) return {};
  return fail(Code::kInvalid, "kind " + quoted(account.kind) + ": must be person or service");
}

api::AccountView account_view(const directory::Account& account) {
  return {account.id,        account.email,   account.name, account.admin,
          account.suspended, account.created, account.kind, !account.password_hash.empty(),
          account.revision};
}
api::AccountView account_view(const Core& core, const directory::Account& account) {
  auto view = account_view(account);
  view.locked_until = core.attempts.locked_until(account.email);
  return view;
}

void Accounts::add_to(Routes& routes) {
  add_collection<api::AccountView, directory::Account>(
      routes, core_, "GET /v1/accounts",
      {.view = [this](const Exchange&, const auto& account) { return account_view(core_, account); },
       .order = "email",
       .exact = {{"email", "email"}, {"name", "name"}, {"kind", "kind", nullptr, {kPerson, kService}}}});
  routes.add_at_once("GET /v1/accounts/{account}", [this](const Exchange& exchange) -> Answer {
    PL_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
    return ok(account_view(core_, account));
  });
  routes.add_create("POST /v1/accounts", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("PATCH /v1/accounts/{account}", [this](Exchange exchange) { return update(std::move(exchange)); });
  routes.add("DELETE /v1/accounts/{account}/lock", [this](Exchange exchange) { return unlock(std::move(exchange)); });
  routes.add("DELETE /v1/accounts/{account}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

Result<> check_password(const Secret& password) {
  const auto size = password.reveal().size();
  if (size >= kPasswordLeast && size <= kPasswordLimit) return {};
  return fail(Code::kInvalid,
              "password: " + std::to_string(kPasswordLeast) + " to " + std::to_string(kPasswordLimit) + " bytes");
}

net::Task<Result<std::string>> Accounts::checked_hash(Secret password) {
  CO_CHECK(check_password(password));
  co_return co_await core_.hash_password(std::move(password));
}

net::Task<Result<directory::Account>> Accounts::checked(api::AccountCreate request) {
  directory::Account account;
  account.id = make_id("a");
  CO_TRY(account.email, directory::normalize_email(request.email));
  account.name = request.name.value_or("");
  account.admin = request.admin.value_or(false);
  account.kind = request.kind.value_or(std::string(kPerson));
  CO_CHECK(check_account(account));
  if (request.password) {
    if (account.kind == kService) co_return std::unexpected(no_password_for_services());
    CO_TRY(account.password_hash, co_await checked_hash(std::move(*request.password)));
  }
  account.created = core_.now();
  co_return account;
}

net::Task<Result<directory::Account>> Accounts::make(std::string actor, api::AccountCreate request) {
  CO_TRY(auto account, co_await checked(std::move(request)));
  co_return co_await make_object(core_, std::move(actor), std::move(account));
}

net::Task<Answer> Accounts::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::AccountCreate>());
  CO_TRY(auto account, co_await checked(std::move(request)));
  co_return co_await create_object<directory::Account>(
      core_, exchange, std::move(account), [](const auto& made, const auto&) { return created(account_view(made)); });
}

net::Task<Answer> Accounts::update(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::AccountUpdate>());
  CO_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
  if (request.name) {
    CO_CHECK(check_text("name", *request.name));
  }
  std::optional<std::string> hash;
  if (request.password) {
    if (account.kind == kService) co_return std::unexpected(no_password_for_services());
    CO_TRY(hash, co_await checked_hash(std::move(*request.password)));
  }
  // Who was locked out, by somebody else's guesses perhaps, comes in by the new password.
  const bool unlocks = hash && core_.attempts.locked_until(account.email);
  auto edit = [name = request.name, admin = request.admin, suspended = request.suspended, hash, unlocks](
                  directory::Account& changed, store::Change& change) -> Result<> {
    if (name) changed.name = *name;
    if (admin) changed.admin = *admin;
    if (suspended) changed.suspended = *suspended;
    if (hash) changed.password_hash = *hash;
    return unlocks ? note_unlocked(change, changed) : Result<>();
  };
  CO_TRY(const auto changed,
         co_await edit_object<directory::Account>(core_, exchange, account.id, std::move(edit), keep_an_admin));
  if (hash) core_.attempts.succeeded(changed.email);
  co_return ok(account_view(core_, changed));
}

net::Task<Answer> Accounts::unlock(Exchange exchange) {
  CO_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
  if (!core_.attempts.locked_until(account.email)) co_return no_content();
  CO_CHECK(co_await change_as(core_, exchange, [id = account.id](store::Change& change) -> Result<> {
    PL_TRY(const auto locked, current<directory::Account>(change, id));
    return note_unlocked(change, locked);
  }));
  core_.attempts.succeeded(account.email);
  co_return no_content();
}

net::Task<Answer> Accounts::remove(Exchange exchange) {
  CO_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
  co_return co_await remove_object<directory::Account>(core_, exchange, account.id, keep_an_admin);
}

}  // namespace portolan::control
