#include "control/join_tokens.h"

#include <utility>

#include "api/admin.h"
#include "base/id.h"
#include "control/collection.h"
#include "control/join.h"
#include "control/objects.h"

namespace portolan::control {
namespace {

constexpr auto kDefaultLife = std::chrono::hours(1);
constexpr auto kLongestLife = std::chrono::days(7);
constexpr std::uint64_t kMostUses = 1000;

api::JoinTokenView view_of(const directory::JoinToken& token, WallTime now) {
  return {token.id,      token.kind,       token.name,      token.used_by,
          token.created, token.ends,       token.revision,  joining_state(token, now),
          token.uses,    token.uses_limit, token.last_used, token.networks};
}

bool is_token(const Caller&, const directory::JoinToken& token) { return token.cluster.empty(); }

const directory::JoinToken* find(const Exchange& exchange) {
  const auto& all = exchange.lookup->snapshot().join_tokens;
  const auto found = all.find(exchange.argument());
  return found == all.end() || !found->second.cluster.empty() ? nullptr : &found->second;
}

// Tokens for one node that ended long ago, used or not: the nodes and activities that came of them are on record.
Result<> drop_old(store::Change& change, WallTime now) {
  std::vector<std::string> old;
  for (const auto& [id, token] : change.now().join_tokens)
    if (token.cluster.empty() && token.uses_limit == 1 && token.ends + kLongestLife <= now) old.push_back(id);
  for (const auto& id : old) PL_CHECK(change.remove<directory::JoinToken>(id));
  return {};
}

}  // namespace

void JoinTokens::add_to(Routes& routes) {
  add_collection<api::JoinTokenView, directory::JoinToken>(
      routes, core_, "GET /v1/join-tokens",
      {.view = [](const Exchange& exchange, const auto& token) { return view_of(token, exchange.now); },
       .order = "created",
       .exact = {{"kind", "kind", nullptr, {"gateway", "relay"}}, {"name", "name"}},
       .visible = is_token});
  routes.add_at_once("GET /v1/join-tokens/{token}", [](const Exchange& exchange) -> Answer {
    PL_TRY(const auto token, existing(find(exchange), "join token", exchange.argument()));
    return ok(view_of(token, exchange.now));
  });
  routes.add_create("POST /v1/join-tokens", [this](Exchange exchange) { return create(std::move(exchange)); });
  routes.add("POST /v1/join-tokens/{token}/revoke",
             [this](Exchange exchange) { return revoke_joining(core_, std::move(exchange), Joining::kToken); });
  routes.add("DELETE /v1/join-tokens/{token}", [this](Exchange exchange) { return remove(std::move(exchange)); });
}

net::Task<Answer> JoinTokens::create(Exchange exchange) {
  CO_TRY(const auto request, exchange.body<api::JoinTokenCreate>());
  CO_CHECK(check_node_kind(request.kind));
  const std::string name = request.name.value_or("");
  if (!name.empty()) {
    CO_CHECK(check_node_name(name));
    const auto* holder = exchange.lookup->snapshot().node_by_name(name);
    if (holder && !holder->revoked) co_return fail(Code::kConflict, "there is a node " + quoted(name) + " already");
  }
  std::chrono::milliseconds life = kDefaultLife;
  if (request.life) {
    auto parsed = parse_duration(*request.life);
    if (!parsed) co_return std::unexpected(std::move(parsed).error().within("life"));
    life = *parsed;
  }
  if (life <= std::chrono::milliseconds(0) || life > kLongestLife)
    co_return fail(Code::kInvalid, "life: must be at most 7d");

  const std::uint64_t uses = request.uses.value_or(1);
  if (uses == 0 || uses > kMostUses) co_return fail(Code::kInvalid, "uses: must be 1 to " + std::to_string(kMostUses));
  if (uses > 1 && !name.empty()) co_return fail(Code::kInvalid, "name: of several nodes each has another one");
  CO_TRY(auto networks, check_networks(request.networks));

  const auto& server = core_.authorities.server;
  const std::string text = make_join_token(kJoinTokenPrefix, make_token(), server.certificate().fingerprint());
  CO_TRY(auto hash, join_token_hash(text, server));
  const WallTime now = core_.now();
  const directory::JoinToken token{.id = make_id("jt"),
                                   .kind = request.kind,
                                   .name = name,
                                   .token_hash = std::move(hash),
                                   .created = now,
                                   .ends = now + life,
                                   .used_by = {},
                                   .uses_limit = uses,
                                   .networks = std::move(networks)};
  co_return co_await create_object<directory::JoinToken>(
      core_, exchange, token,
      [text](const auto& made, const auto&) {
        return created(api::JoinTokenMade{made.id, made.kind, Secret(text), made.ends});
      },
      [now](const auto&, store::Change& change) { return drop_old(change, now); });
}

net::Task<Answer> JoinTokens::remove(Exchange exchange) {
  const std::string id = exchange.argument();
  CO_CHECK(existing(find(exchange), "join token", id));
  co_return co_await remove_object<directory::JoinToken>(core_, std::move(exchange), id);
}

}  // namespace portolan::control
