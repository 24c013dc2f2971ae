#include "tunnel/refusal.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace portolan::tunnel {
namespace {

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kProtocol: return 400;
    case Code::kUnauthenticated: return 401;
    case Code::kDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kLimit: return 429;
    case Code::kIo:
    case Code::kEof: return 502;
    case Code::kUnavailable:
    case Code::kCancelled: return 503;
    case Code::kTimeout: return 504;
    case Code::kInternal: break;
  }
  return 500;
}

// For a peer, or something between, that gives no code.
Code code_of(int status) {
  switch (status) {
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kDenied;
    case 404: return Code::kNotFound;
    case 409: return Code::kConflict;
    case 429:
    case 431: return Code::kLimit;
    case 502: return Code::kIo;
    case 503: return Code::kUnavailable;
    case 504: return Code::kTimeout;
    default: return status >= 400 && status < 500 ? Code::kInvalid : Code::kInternal;
  }
}

bool is_reason(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

// At most kRefusalText bytes, never half a UTF-8 character.
std::string_view shortened(std::string_view text) {
  if (text.size() <= kRefusalText) return text;
  std::size_t end = kRefusalText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// Everything but printable ASCII, and "%" itself.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (unsigned char c : text) {
    if (c > 0x20 && c < 0x7f && c != '%') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return out;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string without_controls(std::string_view text) {
  std::string out(shortened(text));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < kRefusalText; ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
    const int low = high >= 0 ? digit_of(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return without_controls(out);
}

std::string_view find(const net::http::Headers& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

bool is_code(std::string_view name) { return name == name_of(code_from(name)); }

// Of a peer's words. That a task of ours has been cancelled is nothing that a peer can say: who believed it would stop
// what it does for good.
Code code_said(std::string_view name) {
  const Code code = code_from(name);
  return code == Code::kCancelled ? Code::kUnavailable : code;
}

}  // namespace

Refusal to_refusal(const Error& error) {
  Refusal refusal{status_of(error.code), {}};
  refusal.headers["portolan-code"] = name_of(error.code);
  if (is_reason(error.reason)) refusal.headers["portolan-reason"] = error.reason;
  if (error.hop != Hop::kUnknown) refusal.headers["portolan-hop"] = name_of(error.hop);
  refusal.headers["portolan-message"] = percent_encoded(shortened(error.message));
  return refusal;
}

Error from_refusal(int status, const net::http::Headers& headers) {
  Error error;
  const std::string_view code = find(headers, "portolan-code");
  error.code = is_code(code) ? code_said(code) : code_of(status);
  const std::string_view reason = find(headers, "portolan-reason");
  if (is_reason(reason)) error.reason = reason;
  error.hop = hop_from(find(headers, "portolan-hop"));
  error.message = percent_decoded(find(headers, "portolan-message"));
  if (error.message.empty()) error.message = "refused by the peer with status " + std::to_string(status);
  return error;
}

std::string to_farewell(const Error& error) {
  std::string words = std::string(name_of(error.code)) + " " + std::string(shortened(error.message));
  if (is_reason(error.reason)) words += " (" + error.reason + ")";
  return words;
}

Error from_farewell(ByteView text) {
  const std::string_view line = as_text(text);
  const std::size_t space = line.find(' ');
  const std::string_view code = line.substr(0, space);
  Error error{Code::kEof, "the peer closed the link", {}, Hop::kUnknown};
  if (space == std::string_view::npos || !is_code(code)) return error;
  error.code = code_said(code);
  std::string_view said = line.substr(space + 1);
  const std::size_t open = said.ends_with(')') ? said.rfind(" (") : said.npos;
  if (open != said.npos && is_reason(said.substr(open + 2, said.size() - open - 3))) {
    error.reason = said.substr(open + 2, said.size() - open - 3);
    said = said.substr(0, open);
  }
  error.message = said.empty() ? std::string("the peer closed the link") : without_controls(said);
  return error;
}

Result<> check_headers(const net::http::Headers& headers, std::size_t limit) {
  std::size_t size = 0;
  for (const auto& [name, value] : headers) {
    const bool own =
        name.starts_with(kHeaderPrefix) && name.size() > kHeaderPrefix.size() &&
        std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (!own) return fail(Code::kInvalid, "a stream's header must be named portolan-…, not " + quoted(name));
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(value.data());
    if (!nghttp2_check_header_value_rfc9113(bytes, value.size()))
      return fail(Code::kInvalid, "the value of header " + quoted(name) + " is not fit for HTTP");
    size += name.size() + value.size() + 32;
  }
  if (size > limit) return fail(Code::kLimit, "a stream's headers are larger than " + std::to_string(limit) + " bytes");
  return {};
}

Result<> check_authority(std::string_view authority) {
  const bool fits = !authority.empty() && authority.size() <= 255 && std::ranges::all_of(authority, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".:_-[]").find(c) != std::string_view::npos;
  });
  if (!fits) return fail(Code::kInvalid, "a stream cannot be opened to " + quoted(authority));
  return {};
}

}  // namespace portolan::tunnel
