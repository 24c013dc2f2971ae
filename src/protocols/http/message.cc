#include "protocols/http/message.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kMethodLimit = 32;
constexpr std::size_t kHostLimit = 255;

std::unexpected<Error> bad(std::string what) { return fail(Code::kProtocol, std::move(what), "bad_message"); }

// Takes a line off the front; the caller knows that each ends with CR LF.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find("\r\n"), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 2, text.size()));
  return line;
}

Result<Version> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return Version::k11;
  if (text == "HTTP/1.0") return Version::k10;
  if (text.starts_with("HTTP/"))
    return fail(Code::kProtocol, quoted(text) + " is not spoken here", "unsupported_version");
  return bad("no HTTP version in the first line");
}

// Names that decide about the message itself. An application that reads "_" as "-" must not be told them by another
// spelling.
constexpr std::array<std::string_view, 7> kFraming = {
    "content-length", "transfer-encoding", "host", "connection", "upgrade", "expect", "te"};

Result<> check_spelling(const Fields& fields) {
  for (const Field& field : fields.all()) {
    const std::string loose = loose_name(field.name);
    const bool framing = std::ranges::find(kFraming, loose) != kFraming.end();
    if (framing && !same_name(field.name, loose)) return bad("misspelt header " + quoted(field.name));
  }
  return {};
}

// Takes "http://authority" off an absolute target.
Result<> take_origin(std::string_view& target, RequestHead& head) {
  const std::size_t colon = target.find("://");
  head.scheme = lower_case(target.substr(0, colon));
  if (head.scheme != "http" && head.scheme != "https")
    return bad("unknown scheme in the target " + quoted(head.scheme));
  target.remove_prefix(colon + 3);
  const std::size_t end = std::min(target.find_first_of("/?"), target.size());
  const auto authority = parse_authority(target.substr(0, end));
  if (!authority) return bad("bad authority in the target");
  head.authority = print(*authority, head.scheme);
  target.remove_prefix(end);
  return {};
}

Result<> parse_target(std::string_view target, RequestHead& head) {
  if (target.size() > kTargetLimit) return fail(Code::kLimit, "the target is too long", "headers_too_large");
  const bool plain = std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  const auto shown = [&] { return quoted(target.substr(0, target.find('?'))); };  // a query may hold secrets
  if (target.empty() || !plain) return bad("bad target " + shown());
  if (target == "*") {
    if (head.method != "OPTIONS") return bad("the target * is for OPTIONS");
    head.target = "*";
    return {};
  }
  if (!target.starts_with('/')) {
    if (!target.contains("://")) return bad("bad target " + shown());
    PL_CHECK(take_origin(target, head));
  }
  // Behind an authority the path may be left out.
  head.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return {};
}

Result<> parse_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("malformed request line");
  PL_TRY(head.version, parse_version(line.substr(last + 1)));
  head.method = line.substr(0, first);
  if (!is_token(head.method) || head.method.size() > kMethodLimit) return bad("bad method " + quoted(head.method));
  // Tunnels are not for this port, and TRACE shows a page what its browser may not (cookies, injected credentials).
  for (const std::string_view refused : {"CONNECT", "TRACE", "TRACK"})
    if (same_name(head.method, refused))
      return fail(Code::kProtocol, "method " + quoted(head.method) + " is not served", "method_refused");
  return parse_target(line.substr(first + 1, last - first - 1), head);
}

Result<> settle_host(RequestHead& head) {
  if (head.fields.count("host") != 1) return bad("a request has exactly one Host header");
  const auto host = parse_authority(head.fields.first("host"));
  if (!host) return bad("bad Host header " + quoted(head.fields.first("host")));
  const std::string printed = print(*host, head.scheme.empty() ? "http" : head.scheme);
  if (!head.authority.empty() && head.authority != printed) return bad("the target and the Host header differ");
  head.authority = printed;
  head.fields.remove("host");
  return {};
}

Result<std::optional<std::uint64_t>> content_length(const Fields& fields) {
  const std::size_t count = fields.count("content-length");
  if (count == 0) return std::nullopt;
  if (count > 1) return bad("more than one Content-Length");
  const std::string_view text = fields.first("content-length");
  std::uint64_t length = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool digits = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || read.ec != std::errc() || read.ptr != text.data() + text.size() || length > (1ULL << 62))
    return bad("bad Content-Length " + quoted(text));
  return length;
}

// The rules that both kinds of messages share.
Result<std::optional<Framing>> announced(Version version, const Fields& fields) {
  PL_TRY(const auto length, content_length(fields));
  const std::size_t encodings = fields.count("transfer-encoding");
  if (encodings == 0) {
    if (!length) return std::nullopt;
    return Framing{Framing::Kind::kLength, *length};
  }
  if (length) return bad("both Content-Length and Transfer-Encoding");
  if (version == Version::k10) return bad("Transfer-Encoding in HTTP/1.0");
  if (encodings > 1) return bad("more than one Transfer-Encoding");
  if (lower_case(fields.first("transfer-encoding")) != "chunked")
    return fail(Code::kProtocol, "unknown Transfer-Encoding " + quoted(fields.first("transfer-encoding")),
                "unsupported_encoding");
  return Framing{Framing::Kind::kChunked, 0};
}

void print_fields(const Fields& fields, std::string& out) {
  for (const Field& field : fields.all()) {
    out += field.name;
    out += ": ";
    out += field.value;
    out += "\r\n";
  }
}

struct Phrase {
  int status;
  std::string_view words;
};
constexpr std::array<Phrase, 19> kPhrases = {{{100, "Continue"},
                                              {101, "Switching Protocols"},
                                              {200, "OK"},
                                              {204, "No Content"},
                                              {304, "Not Modified"},
                                              {400, "Bad Request"},
                                              {403, "Forbidden"},
                                              {404, "Not Found"},
                                              {405, "Method Not Allowed"},
                                              {408, "Request Timeout"},
                                              {413, "Content Too Large"},
                                              {417, "Expectation Failed"},
                                              {421, "Misdirected Request"},
                                              {431, "Request Header Fields Too Large"},
                                              {501, "Not Implemented"},
                                              {502, "Bad Gateway"},
                                              {503, "Service Unavailable"},
                                              {504, "Gateway Timeout"},
                                              {505, "HTTP Version Not Supported"}}};

}  // namespace

std::string_view RequestHead::path() const {
  return std::string_view(target).substr(0, std::min(target.find('?'), target.size()));
}

std::string_view RequestHead::query() const {
  const std::size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

Result<std::optional<std::size_t>> HeadEnd::find(std::string_view data) {
  for (; seen_ < data.size(); ++seen_) {
    if (seen_ >= limit_) return fail(Code::kLimit, fmt::format("longer than {} bytes", limit_), "headers_too_large");
    const char c = data[seen_];
    const bool after_return = seen_ > 0 && data[seen_ - 1] == '\r';
    if ((c == '\n') != after_return) return bad("a line does not end with CR LF");
    if (c == '\0') return bad("a zero byte in the head");
    if (seen_ == line_begin_ && lines_ > 0 && (c == ' ' || c == '\t')) return bad("a folded header line");
    if (c != '\n') continue;
    if (seen_ - line_begin_ == 1) {
      if (lines_ == 0) return bad("an empty line in place of a message");
      return ++seen_;
    }
    if (++lines_ > kFieldsLimit + 1)
      return fail(Code::kLimit, fmt::format("more than {} header lines", kFieldsLimit), "headers_too_large");
    line_begin_ = seen_ + 1;
  }
  return std::nullopt;
}

Result<Fields> parse_fields(std::string_view lines) {
  Fields fields;
  while (true) {
    const std::string_view line = take_line(lines);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    // The value may be a secret, and what is said here is logged.
    if (colon == std::string_view::npos) return bad("a header line without a colon");
    if (!is_token(line.substr(0, colon))) return bad("bad name of a header " + quoted(line.substr(0, colon)));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (!is_field_value(value)) return bad("control characters in header " + quoted(line.substr(0, colon)));
    fields.add(line.substr(0, colon), value);
  }
  if (!lines.empty()) return bad("an empty line within the head");
  PL_CHECK(check_spelling(fields));
  return fields;
}

Result<RequestHead> parse_request(std::string_view text) {
  RequestHead head;
  PL_CHECK(parse_request_line(take_line(text), head));
  PL_TRY(head.fields, parse_fields(text));
  PL_CHECK(settle_host(head));
  return head;
}

Result<ResponseHead> parse_response(std::string_view text) {
  ResponseHead head;
  const std::string_view line = take_line(text);
  PL_TRY(head.version, parse_version(line.substr(0, 8)));
  const std::string_view rest = line.substr(std::min<std::size_t>(8, line.size()));
  const bool digits = rest.size() >= 4 && rest[0] == ' ' &&
                      std::ranges::all_of(rest.substr(1, 3), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (rest.size() > 4 && rest[4] != ' ')) return bad("malformed status line " + quoted(line));
  head.status = (rest[1] - '0') * 100 + (rest[2] - '0') * 10 + (rest[3] - '0');
  if (head.status < 100 || head.status > 599) return bad("bad status in " + quoted(line));
  if (rest.size() > 5) head.reason = rest.substr(5);
  if (!is_field_value(head.reason)) return bad("control characters in the status line");
  PL_TRY(head.fields, parse_fields(text));
  return head;
}

Result<Framing> framing_of(const RequestHead& head) {
  PL_TRY(const auto framing, announced(head.version, head.fields));
  return framing.value_or(Framing{});
}

bool is_bodiless(int status, std::string_view method) {
  return method == "HEAD" || status < 200 || status == 204 || status == 304;
}

Result<Framing> framing_of(const ResponseHead& head, std::string_view method) {
  PL_TRY(const auto framing, announced(head.version, head.fields));  // what is ambiguous is so without a body too
  if (is_bodiless(head.status, method)) return Framing{};
  return framing.value_or(Framing{Framing::Kind::kUntilClose, 0});
}

bool keeps_alive(Version version, const Fields& fields) {
  if (fields.has_token("connection", "close")) return false;
  return version == Version::k11;
}

std::optional<Authority> parse_authority(std::string_view text) {
  Authority out;
  if (text.empty() || text.size() > kHostLimit + 6) return std::nullopt;
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos || end < 3) return std::nullopt;
    out.host = lower_case(text.substr(1, end - 1));
    if (out.host.find_first_not_of("0123456789abcdef:.") != std::string::npos || !out.host.contains(':'))
      return std::nullopt;
    ++end;
  } else {
    end = std::min(text.find(':'), text.size());
    out.host = lower_case(text.substr(0, end));
    if (out.host.empty() || out.host.size() > kHostLimit ||
        out.host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") != std::string::npos)
      return std::nullopt;
  }
  text.remove_prefix(end);
  if (text.empty()) return out;
  if (!text.starts_with(':')) return std::nullopt;
  text.remove_prefix(1);
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || read.ec != std::errc() || read.ptr != text.data() + text.size() || port == 0)
    return std::nullopt;
  out.port = port;
  return out;
}

std::uint16_t default_port_of(std::string_view scheme) { return scheme == "https" || scheme == "wss" ? 443 : 80; }

std::string print(const Authority& authority, std::string_view scheme) {
  std::string out = authority.host.contains(':') ? "[" + authority.host + "]" : authority.host;
  if (authority.port && *authority.port != default_port_of(scheme)) out += fmt::format(":{}", *authority.port);
  return out;
}

std::string print(const RequestHead& head) {
  std::string out = head.method + " " + head.target + " HTTP/1.1\r\nHost: " + head.authority + "\r\n";
  print_fields(head.fields, out);
  out += "\r\n";
  return out;
}

std::string print(const ResponseHead& head) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", head.status, head.reason);
  print_fields(head.fields, out);
  out += "\r\n";
  return out;
}

std::string_view reason_phrase(int status) {
  const auto* found = std::ranges::find(kPhrases, status, &Phrase::status);
  return found == kPhrases.end() ? std::string_view() : found->words;
}

std::string chunk_head(std::size_t size) { return fmt::format("{:x}\r\n", size); }

std::string last_chunk(const Fields& trailers) {
  std::string out = "0\r\n";
  print_fields(trailers, out);
  out += "\r\n";
  return out;
}

}  // namespace portolan::protocols::http
