// Requests that are signed by the key of an API token: HTTP Message Signatures (RFC 9421) with Ed25519, in one profile.
// The standard leaves to the signer what is signed, in which order and under how many names; whatever can be left out
// will be, so here it cannot: method, authority, path, query and the digest of the body (RFC 9530) are signed by one
// signature "sig1", with its time and a nonce, and so are the headers that change what a request does, If-Match and
// Idempotency-Key, by a request that has them. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http/message.h"

namespace portolan::control {

// For so long a request is as good as new.
inline constexpr std::chrono::milliseconds kSignatureLife = std::chrono::minutes(5);
// So far the clock of who signs may be ahead of ours. Less than it may be behind: what is signed for a time to come
// outlives a restart, and with it the memory of its nonce.
inline constexpr std::chrono::milliseconds kSignatureAhead = std::chrono::minutes(1);

struct SignatureInput {
  WallTime created{};
  std::string nonce;
  std::string key;                        // the id of an API token
  std::vector<std::string_view> headers;  // that are signed though a request need not have them; static
  std::string parameters;                 // as they came: the last line of what is signed
};

// The fields of a request. Code::kUnauthenticated, "bad_signature", saying what is wrong.
Result<SignatureInput> parse_signature_input(std::string_view field);
Result<Bytes> parse_signature(std::string_view field);  // 64 bytes
// Whether the request has all headers that it says are signed, and signs all of its own that must be.
Result<> check_headers(const net::http::Request& request, const SignatureInput& input);
// Whether Content-Digest is there, and the body's.
Result<> check_digest(const net::http::Request& request);

// The bytes that are signed (RFC 9421 §2.5): of the headers that must be signed those that the request has, whatever it
// says of them. One that was added or taken away on the way makes the signature another's.
std::string signature_base(const net::http::Request& request, const SignatureInput& input);

// Code::kUnauthenticated, "signature_time", for what is too old or too far ahead, or was made before `since`.
Result<> check_created(WallTime created, WallTime now, WallTime since);

}  // namespace portolan::control
