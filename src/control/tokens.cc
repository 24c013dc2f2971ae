#include "control/tokens.h"

#include <algorithm>
#include <utility>

#include "base/id.h"
#include "control/listing.h"

namespace portolan::control {
namespace {

constexpr std::size_t kNameLimit = 100;

Answer list(const Exchange& exchange) {
  const auto& request = exchange.call.request;
  PL_TRY(const auto part, list_request(request, {"account", "name"}));
  std::optional<std::string> account;
  if (const auto key = request.parameter("account")) {
    const auto* found = exchange.lookup->account(*key);
    account = found ? found->id : *key;
  }
  std::vector<Entry<api::ApiTokenView>> entries;
  for (const auto& [id, token] : exchange.lookup->snapshot().api_tokens) {
    if (!exchange.caller.admin && token.account != exchange.caller.account) continue;
    if (account && *account != token.account) continue;
    if (passes(request, "name", token.name))
      entries.emplace_back(order_key(token.name, id),
                           api::ApiTokenView{token.id, token.account, token.name, token.created, token.ends});
  }
  return page(std::move(entries), part);
}

}  // namespace

void Tokens::add_to(Routes& routes) {
  routes.add_at_once("GET /v1/tokens", list);
  routes.add("POST /v1/tokens", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("DELETE /v1/tokens/{token}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

net::Task<Result<api::ApiTokenMade>> Tokens::make(std::string actor, std::string account, api::ApiTokenCreate request) {
  const bool plain =
      std::ranges::none_of(request.name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (request.name.empty() || request.name.size() > kNameLimit || !plain)
    co_return fail(Code::kInvalid, "name: 1 to " + std::to_string(kNameLimit) + " bytes without control characters");
  const WallTime now = core_.now();
  std::optional<WallTime> ends;
  if (request.life) {
    auto life = parse_duration(*request.life);
    if (!life) co_return std::unexpected(std::move(life).error().within("life"));
    if (*life <= std::chrono::milliseconds(0) || *life > std::chrono::days(3650))
      co_return fail(Code::kInvalid, "life: must be at most 3650d");
    ends = now + *life;
  }
  const std::string text = "pat1." + make_token();
  const directory::ApiToken token{.id = make_id("at"),
                                  .account = std::move(account),
                                  .name = std::move(request.name),
                                  .token_hash = token_hash(text),
                                  .created = now,
                                  .ends = ends};
  CO_CHECK(co_await core_.change(std::move(actor), [token](store::Change& change) { return change.put(token); }));
  co_return api::ApiTokenMade{token.id, token.account, token.name, Secret(text), token.ends};
}

net::Task<Answer> Tokens::create(Exchange exchange) {
  CO_TRY(auto request, exchange.body<api::ApiTokenCreate>());
  CO_TRY(const auto made_token, co_await make(exchange.caller.actor(), exchange.caller.account, std::move(request)));
  co_return created(made_token);
}

net::Task<Answer> Tokens::remove(Exchange exchange) {
  const auto& all = exchange.lookup->snapshot().api_tokens;
  const auto found = all.find(exchange.argument());
  // Somebody else's is as good as none.
  if (found == all.end() || (!exchange.caller.admin && found->second.account != exchange.caller.account))
    co_return fail(Code::kNotFound, "there is no API token " + quoted(exchange.argument()));
  CO_CHECK(co_await core_.change(exchange.caller.actor(), [id = exchange.argument()](store::Change& change) {
    return change.remove<directory::ApiToken>(id);
  }));
  co_return no_content();
}

}  // namespace portolan::control
