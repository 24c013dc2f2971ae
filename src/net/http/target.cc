#include "net/http/target.h"

#include <algorithm>
#include <charconv>

namespace portolan::net::http {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::unexpected<Error> bad_target(std::string_view what) {
  return fail(Code::kInvalid, "request target: " + std::string(what), "bad_target");
}

enum class Plus { kIsItself, kIsSpace };

Result<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kIsSpace) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return bad_target("bad percent escape");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (out.find('\0') != std::string::npos) return bad_target("contains a zero byte");
  if (!is_utf8(out)) return bad_target("is not UTF-8");
  return out;
}

Result<std::string> parse_path(std::string_view text) {
  std::string path;
  while (!text.empty()) {  // text begins with the slash of its first segment
    const auto end = std::min(text.find('/', 1), text.size());
    PL_TRY(const std::string segment, percent_decode(text.substr(1, end - 1), Plus::kIsItself));
    if (segment == "." || segment == "..") return bad_target("path contains a \".\" or \"..\" segment");
    for (const char c : segment) {
      if (c == '/') return bad_target("path contains an encoded slash");
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return bad_target("path contains a control character");
    }
    path += '/';
    path += segment;
    text.remove_prefix(end);
  }
  return path;
}

Result<std::map<std::string, std::string>> parse_query(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (piece.empty()) continue;
    const auto equals = std::min(piece.find('='), piece.size());
    PL_TRY(std::string name, percent_decode(piece.substr(0, equals), Plus::kIsSpace));
    PL_TRY(std::string value, percent_decode(piece.substr(std::min(equals + 1, piece.size())), Plus::kIsSpace));
    const auto added = query.emplace(std::move(name), std::move(value));
    if (!added.second) return bad_target("query names " + quoted(added.first->first) + " more than once");
  }
  return query;
}

}  // namespace

Result<Target> parse_target(std::string_view text) {
  for (const unsigned char c : text)
    if (c <= 0x20 || c >= 0x7f) return bad_target("contains a byte that must be percent-encoded");
  if (text.find('#') != std::string_view::npos) return bad_target("contains a fragment");
  Target target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    text.remove_prefix(scheme.size());
    const auto end = std::min(text.find_first_of("/?"), text.size());
    target.authority = text.substr(0, end);
    if (target.authority.empty()) return bad_target("names no host");
    text.remove_prefix(end);
    break;
  }
  const auto question = std::min(text.find('?'), text.size());
  const auto path = text.substr(0, question);
  target.origin = text;
  if (path.empty() && !target.authority.empty()) {
    target.path = "/";
    target.origin.insert(0, "/");
  } else {
    if (!path.starts_with('/')) return bad_target("is not a path");
    PL_TRY(target.path, parse_path(path));
  }
  PL_TRY(target.query, parse_query(text.substr(std::min(question + 1, text.size()))));
  return target;
}

Result<std::string> host_name(std::string_view authority) {
  const auto bad = [&] { return fail(Code::kInvalid, "bad host " + quoted(authority), "bad_host"); };
  const bool bracketed = authority.starts_with('[');
  const auto close = authority.find(']');
  if (bracketed && close == std::string_view::npos) return bad();
  const auto name = bracketed ? authority.substr(0, close + 1) : authority.substr(0, authority.find(':'));
  const auto port = authority.substr(name.size());
  if (!port.empty()) {
    std::uint16_t number = 0;
    const char* end = port.data() + port.size();
    const auto read = std::from_chars(port.data() + 1, end, number);
    if (port[0] != ':' || read.ec != std::errc() || read.ptr != end) return bad();
  }
  const auto inner = bracketed ? name.substr(1, name.size() - 2) : name;
  const std::string_view marks = bracketed ? ":.%" : "-._";
  if (inner.empty()) return bad();
  for (const char c : inner)
    if (!is_letter_or_digit(c) && marks.find(c) == std::string_view::npos) return bad();
  std::string out(name);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

std::string percent_encode(std::string_view text, std::string_view also_kept) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_letter_or_digit(c) || std::string_view("-._~").contains(c) || also_kept.contains(c)) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

// Unicode 15, table 3-7: the second byte is narrower after e0, ed, f0 and f4 (no overlong forms, no surrogates, no end
// beyond).
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : 3;
    if (more == 3 && (first < 0xf0 || first > 0xf4)) return false;
    if (i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      unsigned char low = 0x80, high = 0xbf;
      if (k == 1 && first == 0xe0) low = 0xa0;
      if (k == 1 && first == 0xed) high = 0x9f;
      if (k == 1 && first == 0xf0) low = 0x90;
      if (k == 1 && first == 0xf4) high = 0x8f;
      if (next < low || next > high) return false;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace portolan::net::http
