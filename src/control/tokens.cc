#include "control/tokens.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/collection.h"
#include "control/objects.h"
#include "control/permissions.h"
#include "crypto/ed25519.h"

namespace portolan::control {
namespace {

constexpr std::size_t kNameLimit = 100;
constexpr std::ptrdiff_t kPerAccount = 100;  // every request looks a token up among all

api::ApiTokenView view_of(const directory::Snapshot& snapshot, const directory::ApiToken& token) {
  api::ApiTokenView view{token.id,          token.account,
                         token.name,        token.created,
                         token.ends,        {},
                         token.permissions, token.public_key.empty() ? "bearer" : "signature",
                         token.revision};
  if (const auto account = snapshot.accounts.find(token.account); account != snapshot.accounts.end())
    view.email = account->second.email;
  return view;
}

// Somebody else's is as good as none.
bool visible(const Caller& caller, const directory::ApiToken& token) {
  return caller.admin || token.account == caller.account;
}

Result<directory::ApiToken> asked(const Exchange& exchange) {
  const auto& all = exchange.lookup->snapshot().api_tokens;
  const auto found = all.find(exchange.argument());
  const bool shown = found != all.end() && visible(exchange.caller, found->second);
  return existing(shown ? &found->second : nullptr, "API token", exchange.argument());
}

Result<std::vector<std::string>> checked_permissions(const std::optional<std::vector<std::string>>& asked) {
  const std::string all(kAllPermissions);
  if (!asked) return std::vector{all};
  const auto known = grantable_permissions();
  std::vector<std::string> out;
  for (const auto& permission : *asked) {
    if (permission != all && std::ranges::find(known, permission) == known.end()) {
      std::string list = all;
      for (const auto& each : known) list += ", " + each;
      return fail(Code::kInvalid, "permissions: " + quoted(permission) + " is not known; known are: " + list);
    }
    if (std::ranges::find(out, permission) == out.end()) out.push_back(permission);
  }
  if (out.empty()) return fail(Code::kInvalid, "permissions: at least one is needed");
  if (std::ranges::find(out, all) != out.end()) return std::vector{all};
  std::ranges::sort(out);
  return out;
}

// A token that may be made, and what it is shown as, once.
struct NewToken {
  directory::ApiToken token;
  std::optional<Secret> secret;

  api::ApiTokenMade shown() const {
    return {token.id, token.account, token.name, secret, token.ends, token.permissions};
  }
};

Result<NewToken> checked(std::string account, api::ApiTokenCreate request, WallTime now) {
  if (request.name.empty()) return fail(Code::kInvalid, "name: is needed");
  PL_CHECK(check_text("name", request.name, kNameLimit));
  std::optional<WallTime> ends;
  if (request.life) {
    auto life = parse_duration(*request.life);
    if (!life) return std::unexpected(std::move(life).error().within("life"));
    if (*life <= std::chrono::milliseconds(0) || *life > std::chrono::days(3650))
      return fail(Code::kInvalid, "life: must be at most 3650d");
    ends = now + *life;
  }
  directory::ApiToken token{.id = make_id("at"),
                            .account = std::move(account),
                            .name = std::move(request.name),
                            .token_hash = {},
                            .created = now,
                            .ends = ends};
  PL_TRY(token.permissions, checked_permissions(request.permissions));
  std::optional<Secret> secret;
  if (request.public_key) {
    auto key = crypto::Ed25519PublicKey::from_pem(*request.public_key);
    if (!key) return std::unexpected(std::move(key).error().within("public_key"));
    token.public_key = key->pem();
    token.token_hash = "key:" + token_hash(token.public_key);
  } else {
    secret.emplace("pat1." + make_token());
    token.token_hash = token_hash(secret->reveal());
  }
  return NewToken{std::move(token), std::move(secret)};
}

Result<> check_count(const directory::ApiToken& token, const store::Change& change) {
  const auto count = std::ranges::count_if(change.now().api_tokens,
                                           [&](const auto& each) { return each.second.account == token.account; });
  if (count < kPerAccount) return {};
  return fail(Code::kConflict,
              "this account has " + std::to_string(count) +
                  " API tokens, and no account may have more; remove those that are not used or have ended",
              "too_many_tokens");
}

}  // namespace

void Tokens::add_to(Routes& routes) {
  add_collection<api::ApiTokenView, directory::ApiToken>(
      routes, core_, "GET /v1/tokens",
      {.view = [](const Exchange& exchange, const auto& token) { return view_of(exchange.lookup->snapshot(), token); },
       .exact = {{"account", "account", account_id}, {"name", "name"}},
       .visible = visible});
  routes.add_at_once("GET /v1/tokens/{token}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto token, asked(exchange));
    return ok(view_of(exchange.lookup->snapshot(), token));
  });
  routes.add_create("POST /v1/tokens", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("DELETE /v1/tokens/{token}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

net::Task<Result<api::ApiTokenMade>> Tokens::make(std::string actor, std::string account, api::ApiTokenCreate request) {
  CO_TRY(auto made, checked(std::move(account), std::move(request), core_.now()));
  CO_TRY(made.token, co_await make_object(core_, std::move(actor), std::move(made.token)));
  co_return made.shown();
}

// For another account only admins make any; and nobody but itself makes one for an admin, who would then be the actor
// of what somebody else does.
net::Task<Answer> Tokens::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ApiTokenCreate>());
  std::string account = exchange.caller.account;
  if (request.account) {
    CO_TRY(const auto other, existing(exchange.lookup->account(*request.account), "account", *request.account));
    const bool service = other.kind == "service";
    if (other.id != account && !(exchange.caller.admin && service))
      co_return fail(Code::kDenied, "a token for another account is made by admins, for service accounts only");
    account = other.id;
  }
  CO_TRY(const auto made, checked(std::move(account), std::move(request), exchange.now));
  co_return co_await create_object<directory::ApiToken>(
      core_, exchange, made.token, [made](const auto&, const auto&) { return created(made.shown()); }, check_count);
}

net::Task<Answer> Tokens::remove(Exchange exchange) {
  CO_TRY(const auto token, asked(exchange));
  co_return co_await remove_object<directory::ApiToken>(core_, std::move(exchange), token.id);
}

}  // namespace portolan::control
