// Errors on the wire: RFC 9457 problem objects, made by the server and turned back into an Error by the client.
#include <array>

#include "base/json.h"
#include "net/http/codec.h"
#include "net/http/problem.h"
#include "net/http/server.h"
#include "net/http/target.h"

namespace portolan::net::http {
namespace {

// What a reader needs of anybody's problem object.
struct SparseProblem {
  std::optional<std::string> detail;
  std::optional<std::string> code;
  std::optional<std::string> hop;
  std::optional<bool> retry;
};
BOOST_DESCRIBE_STRUCT(SparseProblem, (), (detail, code, hop, retry))

Response encode(Problem problem) {
  problem.title = reason_phrase(problem.status);
  if (!is_utf8(problem.detail))  // quoted() passes foreign bytes on, JSON may not
    for (char& c : problem.detail)
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return {problem.status, {{"content-type", "application/problem+json"}}, json::encode(problem)};
}

// The reasons with a status of their own: RFC 9110 §13.1.1 and §15.5.21.
int status_of(const Error& error) {
  if (error.reason == "stale") return 412;
  if (error.reason == "idempotency_mismatch") return 422;
  return http::status_of(error.code);
}

Code code_of(int status) {
  switch (status) {
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kDenied;
    case 404: return Code::kNotFound;
    case 409:
    case 412: return Code::kConflict;
    case 408:
    case 504: return Code::kTimeout;
    case 413:
    case 429:
    case 431: return Code::kLimit;
    case 502:
    case 503: return Code::kUnavailable;
    default: return status < 500 ? Code::kInvalid : Code::kInternal;
  }
}

std::string tame(std::string_view text) {
  constexpr std::size_t kMost = 4000;
  std::string out(text.substr(0, kMost));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return out;
}

bool is_stable_code(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
  return !text.empty() && text.size() <= 64 && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kProtocol: return 400;
    case Code::kUnauthenticated: return 401;
    case Code::kDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kLimit: return 429;
    case Code::kUnavailable: return 503;
    case Code::kTimeout: return 504;
    case Code::kCancelled:
    case Code::kEof:
    case Code::kIo:
    case Code::kInternal: return 500;
  }
  return 500;
}

Response problem(const Error& error) {
  return encode({.title = {},
                 .status = status_of(error),
                 .detail = error.message,
                 .code = std::string(error.stable_code()),
                 .hop = std::string(name_of(error.hop)),
                 .retry = error.retry_can_help()});
}

Response problem(int status, std::string_view code, std::string_view detail, Hop hop) {
  const bool retry = status == 408 || status == 429 || status == 503 || status == 504;
  return encode({.title = {},
                 .status = status,
                 .detail = std::string(detail),
                 .code = std::string(code),
                 .hop = std::string(name_of(hop)),
                 .retry = retry});
}

Response json_response(int status, std::string body) {
  return {status, {{"content-type", "application/json"}}, std::move(body)};
}

Error error_from(const Response& response) {
  Error error{code_of(response.status), {}, {}, Hop::kUnknown};
  error.message =
      "the server answered " + std::to_string(response.status) + " " + std::string(reason_phrase(response.status));
  if (!response.header("content-type").starts_with("application/problem+json")) return error;
  const auto problem = json::decode<SparseProblem>(response.body, json::Unknown::kIgnore);
  if (!problem) return error;
  if (problem->detail && !problem->detail->empty()) error.message = tame(*problem->detail);
  error.hop = hop_from(problem->hop.value_or(""));
  const std::string code = problem->code.value_or("");
  if (const Code known = code_from(code); name_of(known) == code) {
    error.code = known;
    return error;
  }
  if (is_stable_code(code)) error.reason = code;
  if (error.code == Code::kInternal && problem->retry.value_or(false)) error.code = Code::kUnavailable;
  return error;
}

}  // namespace portolan::net::http
