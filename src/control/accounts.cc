#include "control/accounts.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/listing.h"

namespace portolan::control {
namespace {

constexpr std::size_t kNameLimit = 200;

Result<> check_name(const std::string& name) {
  const bool plain =
      std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (name.size() <= kNameLimit && plain) return {};
  return fail(Code::kInvalid, "name: at most " + std::to_string(kNameLimit) + " bytes without control characters");
}

// Somebody must be able to undo what is done here.
Result<> keep_an_admin(const directory::Snapshot& snapshot) {
  const bool one = std::ranges::any_of(snapshot.accounts,
                                       [](const auto& entry) { return entry.second.admin && !entry.second.suspended; });
  if (one) return {};
  return fail(Code::kConflict, "this is the last admin who can sign in; make another one first", "last_admin");
}

}  // namespace

api::AccountView account_view(const directory::Account& account) {
  return {account.id, account.email, account.name, account.admin, account.suspended, account.created};
}

void Accounts::add_to(Routes& routes) {
  routes.add_at_once("GET /v1/accounts", [this](const Exchange& exchange) { return list(exchange); });
  routes.add_at_once("GET /v1/accounts/{account}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
    return ok(account_view(account));
  });
  routes.add("POST /v1/accounts", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("PATCH /v1/accounts/{account}", [this](Exchange exchange) { return update(std::move(exchange)); });
  routes.add("DELETE /v1/accounts/{account}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

Answer Accounts::list(const Exchange& exchange) const {
  const auto& request = exchange.call.request;
  PL_TRY(const auto part, list_request(request, {"email", "name"}));
  std::vector<Entry<api::AccountView>> entries;
  for (const auto& [id, account] : exchange.lookup->snapshot().accounts)
    if (passes(request, "email", account.email) && passes(request, "name", account.name))
      entries.emplace_back(order_key(account.email, id), account_view(account));
  return page(std::move(entries), part);
}

net::Task<Result<std::string>> Accounts::checked_hash(Secret password) {
  const auto size = password.reveal().size();
  if (size < kPasswordLeast || size > kPasswordLimit)
    co_return fail(Code::kInvalid,
                   "password: " + std::to_string(kPasswordLeast) + " to " + std::to_string(kPasswordLimit) + " bytes");
  co_return co_await core_.hash_password(std::move(password));
}

net::Task<Result<directory::Account>> Accounts::make(std::string actor, api::AccountCreate request) {
  directory::Account account;
  account.id = make_id("a");
  CO_TRY(account.email, directory::normalize_email(request.email));
  account.name = request.name.value_or("");
  CO_CHECK(check_name(account.name));
  account.admin = request.admin.value_or(false);
  if (request.password) {
    CO_TRY(account.password_hash, co_await checked_hash(std::move(*request.password)));
  }
  account.created = core_.now();
  CO_CHECK(co_await core_.change(std::move(actor), [account](store::Change& change) { return change.put(account); }));
  co_return account;
}

net::Task<Answer> Accounts::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::AccountCreate>());
  CO_TRY(const auto account, co_await make(exchange.caller.actor(), std::move(request)));
  co_return created(account_view(account));
}

net::Task<Answer> Accounts::update(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::AccountUpdate>());
  CO_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
  if (request.name) {
    CO_CHECK(check_name(*request.name));
  }
  std::optional<std::string> hash;
  if (request.password) {
    CO_TRY(hash, co_await checked_hash(std::move(*request.password)));
  }
  auto shown = std::make_shared<api::AccountView>();
  auto edit = [id = account.id, name = request.name, admin = request.admin, suspended = request.suspended, hash,
               shown](store::Change& change) -> Result<> {
    const auto found = change.now().accounts.find(id);
    if (found == change.now().accounts.end()) return fail(Code::kNotFound, "there is no account " + quoted(id));
    auto changed = found->second;
    if (name) changed.name = *name;
    if (admin) changed.admin = *admin;
    if (suspended) changed.suspended = *suspended;
    if (hash) changed.password_hash = *hash;
    PL_CHECK(change.put(changed));
    *shown = account_view(changed);
    return keep_an_admin(change.now());
  };
  CO_CHECK(co_await core_.change(exchange.caller.actor(), std::move(edit)));
  co_return ok(*shown);
}

net::Task<Answer> Accounts::remove(Exchange exchange) {
  CO_TRY(const auto account, existing(exchange.lookup->account(exchange.argument()), "account", exchange.argument()));
  CO_CHECK(co_await core_.change(exchange.caller.actor(), [id = account.id](store::Change& change) -> Result<> {
    PL_CHECK(change.remove<directory::Account>(id));
    return keep_an_admin(change.now());
  }));
  co_return no_content();
}

}  // namespace portolan::control
