#include "control/signature.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/id.h"
#include "crypto/hash.h"

namespace portolan::control {
namespace {

constexpr std::string_view kLabel = "sig1=";
constexpr std::string_view kAlways = R"(("@method" "@authority" "@path" "@query" "content-digest")";
constexpr std::string_view kIfThere[] = {"if-match", "idempotency-key"};  // in this order
constexpr std::size_t kFieldLimit = 512;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kNonceLeast = 16;
constexpr std::size_t kNonceMost = 64;

std::unexpected<Error> bad(std::string what) {
  return fail(Code::kUnauthenticated, "signature: " + std::move(what), "bad_signature");
}

// Takes `prefix` off the front of `rest`.
bool take(std::string_view& rest, std::string_view prefix) {
  if (!rest.starts_with(prefix)) return false;
  rest.remove_prefix(prefix.size());
  return true;
}

// ":…:" of structured fields (RFC 8941 §3.3.5), the whole of `text`, in the one spelling that base64 has for it.
std::optional<Bytes> byte_sequence(std::string_view text) {
  if (text.size() < 2 || text.front() != ':' || text.back() != ':') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  auto bytes = from_base64(text);
  if (!bytes || base64(*bytes) != text) return std::nullopt;
  return std::move(*bytes);
}

// Ten digits are until the year 2286.
Result<WallTime> parse_created(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || text.size() != 10 || text.front() == '-')
    return bad("created must be the time in seconds since 1970, ten digits");
  return WallTime(std::chrono::seconds(seconds));
}

// What is signed, in its parentheses; answers those of kIfThere that are.
Result<std::vector<std::string_view>> take_components(std::string_view& rest) {
  std::vector<std::string_view> headers;
  const bool begins = take(rest, kAlways);
  for (const std::string_view name : kIfThere)
    if (take(rest, " \"" + std::string(name) + '"')) headers.push_back(name);
  if (begins && take(rest, ")")) return headers;
  return bad("what is signed must be " + std::string(kAlways) +
             "), in this order, with \"if-match\" and \"idempotency-key\" at its end if the request has them");
}

Result<std::string> unquote(std::string_view name, std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"')
    return bad(std::string(name) + " must be in quotes");
  text = text.substr(1, text.size() - 2);
  if (text.find_first_of("\"\\") != std::string_view::npos) return bad(std::string(name) + " must be plain");
  return std::string(text);
}

Result<std::string> parse_nonce(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  PL_TRY(auto nonce, unquote("nonce", text));
  if (nonce.size() < kNonceLeast || nonce.size() > kNonceMost || nonce.find_first_not_of(kAllowed) != std::string::npos)
    return bad("nonce must have 16 to 64 of A-Z, a-z, 0-9, \"-\" and \"_\"");
  return nonce;
}

Result<std::string> parse_key(std::string_view text) {
  PL_TRY(auto key, unquote("keyid", text));
  if (!is_id(key, "at")) return bad("keyid must be the id of an API token, at-…");
  return key;
}

// One parameter, ";name=value", in any order and each once.
Result<> parse_parameter(std::string_view name, std::string_view value, std::vector<std::string_view>& seen,
                         SignatureInput& input) {
  if (std::ranges::find(seen, name) != seen.end()) return bad(std::string(name) + " is given twice");
  seen.push_back(name);
  if (name == "created") {
    PL_TRY(input.created, parse_created(value));
  } else if (name == "nonce") {
    PL_TRY(input.nonce, parse_nonce(value));
  } else if (name == "keyid") {
    PL_TRY(input.key, parse_key(value));
  } else if (name == "alg") {
    if (value != R"("ed25519")") return bad("alg must be \"ed25519\" or absent");
  } else {
    return bad("the parameter " + quoted(name) + " is not known; known are created, nonce, keyid and alg");
  }
  return {};
}

// As the signer saw it: lower case, without the default port (RFC 9421 §2.2.3).
std::string authority(std::string_view host) {
  constexpr std::string_view kDefaultPort = ":443";
  if (host.ends_with(kDefaultPort)) host.remove_suffix(kDefaultPort.size());
  std::string out(host);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace

Result<SignatureInput> parse_signature_input(std::string_view field) {
  if (field.size() > kFieldLimit) return bad("Signature-Input is too long");
  std::string_view rest = field;
  if (!take(rest, kLabel)) return bad("Signature-Input must be one signature with the label sig1");
  SignatureInput input;
  input.parameters = rest;
  PL_TRY(input.headers, take_components(rest));
  std::vector<std::string_view> seen;
  while (!rest.empty()) {
    if (!take(rest, ";")) return bad("Signature-Input must be one signature and its parameters, and no more");
    const auto piece = rest.substr(0, rest.find(';'));
    rest.remove_prefix(piece.size());
    const auto equals = piece.find('=');
    if (equals == std::string_view::npos) return bad("the parameter " + quoted(piece) + " has no value");
    PL_CHECK(parse_parameter(piece.substr(0, equals), piece.substr(equals + 1), seen, input));
  }
  for (const std::string_view needed : {"created", "nonce", "keyid"})
    if (std::ranges::find(seen, needed) == seen.end()) return bad(std::string(needed) + " is missing");
  return input;
}

Result<Bytes> parse_signature(std::string_view field) {
  std::string_view rest = field;
  if (rest.size() > kFieldLimit || !take(rest, kLabel)) return bad("Signature must be one, with the label sig1");
  auto bytes = byte_sequence(rest);
  if (!bytes || bytes->size() != kSignatureBytes) return bad("Signature must be sig1=:BASE64: of 64 bytes");
  return std::move(*bytes);
}

Result<> check_headers(const net::http::Request& request, const SignatureInput& input) {
  for (const std::string_view name : kIfThere) {
    const bool there = request.headers.contains(name);
    const bool is_signed = std::ranges::find(input.headers, name) != input.headers.end();
    if (there && !is_signed)
      return bad("the header " + std::string(name) + " is not signed; a request that has it signs it");
    if (is_signed && !there) return bad("the header " + std::string(name) + " is signed, and the request has none");
  }
  return {};
}

Result<> check_digest(const net::http::Request& request) {
  constexpr std::string_view kAlgorithm = "sha-256=";
  std::string_view rest = request.header("content-digest");
  if (rest.empty()) return bad("Content-Digest is missing; a request without a body needs it too");
  const auto digest = take(rest, kAlgorithm) ? byte_sequence(rest) : std::nullopt;
  if (!digest) return bad("Content-Digest must be sha-256=:BASE64:");
  if (!equal_in_constant_time(*digest, crypto::sha256(as_bytes(request.body))))
    return bad("Content-Digest is not the body's");
  return {};
}

std::string signature_base(const net::http::Request& request, const SignatureInput& input) {
  const std::string_view target = request.target;
  const auto question = std::min(target.find('?'), target.size());
  const auto line = [](std::string_view name, std::string_view value) {
    return '"' + std::string(name) + "\": " + std::string(value) + '\n';
  };
  std::string base = line("@method", request.method);
  base += line("@authority", authority(request.header("host")));
  base += line("@path", target.substr(0, question));
  base += line("@query", question == target.size() ? "?" : target.substr(question));
  base += line("content-digest", request.header("content-digest"));
  for (const std::string_view name : kIfThere)
    if (request.headers.contains(name)) base += line(name, request.header(name));
  return base + "\"@signature-params\": " + input.parameters;
}

Result<> check_created(WallTime created, WallTime now, WallTime since) {
  const auto refuse = [](std::string why) {
    return fail(Code::kUnauthenticated, "signature: " + std::move(why), "signature_time");
  };
  const std::string times = "made at " + to_rfc3339(created) + ", and here it is " + to_rfc3339(now);
  if (created + kSignatureLife < now)
    return refuse(times + "; it is good for " + format_duration(kSignatureLife) + ": sign anew");
  if (created - kSignatureAhead > now)
    return refuse(times + "; it may be at most " + format_duration(kSignatureAhead) + " ahead: set the clock");
  if (created < since)
    return refuse("made at " + to_rfc3339(created) + ", and of what was made before " + to_rfc3339(since) +
                  " it is not known any more what has been used: the control plane began then, or its clock has been "
                  "set back; sign anew");
  return {};
}

}  // namespace portolan::control
