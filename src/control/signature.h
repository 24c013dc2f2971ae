// Requests that are signed by the key of an API token: HTTP Message Signatures (RFC 9421) with Ed25519, in one profile.
// The standard leaves to the signer what is signed, in which order and under how many names; whatever can be left out
// will be, so here it cannot: method, authority, path, query and the digest of the body (RFC 9530) are signed by one
// signature "sig1", with its time and a nonce. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http/message.h"

namespace portolan::control {

// How far the clock of who signs may be off. A request is as good as new for so long.
inline constexpr std::chrono::milliseconds kSignatureSlack = std::chrono::minutes(5);

struct SignatureInput {
  WallTime created{};
  std::string nonce;
  std::string key;         // the id of an API token
  std::string parameters;  // as they came: the last line of what is signed
};

// The fields of a request. Code::kUnauthenticated, "bad_signature", saying what is wrong.
Result<SignatureInput> parse_signature_input(std::string_view field);
Result<Bytes> parse_signature(std::string_view field);  // 64 bytes
// Whether Content-Digest is there, and the body's.
Result<> check_digest(const net::http::Request& request);

// The bytes that are signed (RFC 9421 §2.5).
std::string signature_base(const net::http::Request& request, const SignatureInput& input);

// Code::kUnauthenticated, "signature_time", if the clocks differ by more than the slack, or for what was made before
// `since`.
Result<> check_created(WallTime created, WallTime now, WallTime since);

}  // namespace portolan::control
