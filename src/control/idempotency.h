// Making an object once, although the request for it comes twice: a client that has not seen the answer sends the same
// request with the same Idempotency-Key again (draft-ietf-httpapi-idempotency-key-header) and gets the first answer.
//
// The answer is kept in the directory's database, written by the transaction that makes the object: neither a crash
// between the two nor a second request that runs at the same time can make two objects, or one that nobody is told of.
// It is sealed, with what it answers, for it may hold a token that is shown once. Failures are not kept.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "control/caller.h"
#include "control/core.h"
#include "store/kept_answers.h"

namespace portolan::control {

struct Exchange;

// The Idempotency-Key of a request that makes an object.
struct Idempotency {
  std::string key;  // a hash: of another caller the same header is another key
  std::string account;
  std::string request;  // a hash of route and body
};

// None without the header. Code::kInvalid unless it has 1 to 255 bytes of printable ASCII.
Result<std::optional<Idempotency>> idempotency_of(const net::http::Request& request, const Caller& caller);

// The first answer to this request, with "Idempotency-Replayed: true", if there was one within 24 hours.
// Code::kInvalid, "idempotency_mismatch" (422), if the key was another request's.
net::Task<Result<std::optional<net::http::Response>>> first_answer(Core& core, Idempotency idempotency);

// Runs `make` in a transaction of the directory, on the store's thread: it owns what it touches. Its answer is kept
// under the exchange's key, if it has one; or that key's first answer is given instead.
using Make = std::function<Result<net::http::Response>(store::Change&)>;
net::Task<Result<net::http::Response>> answer_once(Core& core, const Exchange& exchange, Make make);

}  // namespace portolan::control
