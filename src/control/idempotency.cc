#include "control/idempotency.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "control/routes.h"
#include "crypto/hash.h"

namespace portolan::control {
namespace {

using net::http::Response;

constexpr std::size_t kKeyLimit = 255;
constexpr store::KeptLimits kLimits = {};

// What is sealed.
struct Kept {
  std::string request;
  int status = 0;
  Secret body;
  std::string etag;
};
BOOST_DESCRIBE_STRUCT(Kept, (), (request, status, body, etag))

std::string hash(std::string_view text) { return hex(crypto::sha256(as_bytes(text))); }

store::KeptAnswer seal(const crypto::SealingKey& sealing, const Idempotency& idempotency, const Response& response,
                       WallTime now) {
  const Kept kept{idempotency.request, response.status, Secret(response.body), std::string(response.header("etag"))};
  return {idempotency.key, idempotency.account,
          sealing.seal(Secret(json::encode(kept)), store::kept_answer_context(idempotency.key)), now};
}

Result<std::optional<Response>> replay(const crypto::SealingKey& sealing, const Idempotency& idempotency,
                                       const std::optional<store::KeptAnswer>& answer, WallTime now) {
  if (!answer || answer->made + kLimits.life < now) return std::nullopt;
  const auto opened = sealing.open(answer->answer, store::kept_answer_context(idempotency.key));
  if (!opened)
    return fail(Code::kConflict,
                "this Idempotency-Key was used at " + to_rfc3339(answer->made) +
                    ", and the answer of then cannot be opened, since the sealing key has changed; look whether the "
                    "object is there, and use another key",
                "idempotency_lost");
  PL_TRY(const auto kept, json::decode<Kept>(opened->reveal(), json::Unknown::kRefuse));
  if (kept.request != idempotency.request)
    return fail(Code::kInvalid,
                "this Idempotency-Key was used at " + to_rfc3339(answer->made) +
                    " for another request; each request needs a key of its own",
                "idempotency_mismatch");
  auto response = net::http::json_response(kept.status, kept.body.reveal());
  if (!kept.etag.empty()) response.headers["etag"] = kept.etag;
  response.headers["idempotency-replayed"] = "true";
  return response;
}

}  // namespace

Result<std::optional<Idempotency>> idempotency_of(const net::http::Request& request, const Caller& caller) {
  const auto found = request.headers.find("idempotency-key");
  if (found == request.headers.end()) return std::nullopt;
  const std::string& key = found->second;
  const bool printable = std::ranges::all_of(key, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (key.empty() || key.size() > kKeyLimit || !printable)
    return fail(Code::kInvalid, "the Idempotency-Key header must have 1 to 255 bytes of printable ASCII");
  // A token that may less than its account must not be told what another one has made.
  const std::string& who = caller.token.empty() ? caller.account : caller.token;
  return Idempotency{hash(who + '\n' + key), caller.account,
                     hash(request.method + ' ' + net::http::to_target(request) + '\n' + request.body)};
}

net::Task<Result<std::optional<Response>>> first_answer(Core& core, Idempotency idempotency) {
  auto find = [store = core.directory.get(), key = idempotency.key] { return store->kept_answer(key); };
  CO_TRY(const auto kept, co_await net::run_blocking(core.store_pool, std::move(find)));
  co_return replay(core.sealing, idempotency, kept, core.now());
}

net::Task<Result<Response>> answer_once(Core& core, const Exchange& exchange, Make make) {
  auto answer = std::make_shared<Response>();
  auto work = [&sealing = core.sealing, idempotency = exchange.idempotency, now = exchange.now, make = std::move(make),
               answer](store::Change& change) -> Result<> {
    if (idempotency) {
      PL_TRY(const auto kept, change.kept_answer(idempotency->key));
      PL_TRY(auto first, replay(sealing, *idempotency, kept, now));
      if (first) {
        *answer = std::move(*first);
        return {};
      }
    }
    PL_TRY(*answer, make(change));
    if (!idempotency) return {};
    return change.keep_answer(seal(sealing, *idempotency, *answer, now), kLimits);
  };
  CO_CHECK(co_await change_as(core, exchange, std::move(work)));
  co_return std::move(*answer);
}

}  // namespace portolan::control
