#include "protocols/http/rules.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kListLimit = 64;
constexpr std::array<std::string_view, 3> kReading = {"GET", "HEAD", "OPTIONS"};
constexpr std::array<std::string_view, 3> kOverrides = {"x-http-method-override", "x-http-method", "x-method-override"};

std::unexpected<Error> ambiguous(std::string_view path, std::string_view why) {
  return std::unexpected(Error{
      Code::kDenied, fmt::format("the path {} {}: it could be read in two ways", quoted(path), why), "path_ambiguous"});
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Bytes that are no UTF-8 in the way that lenient decoders take for ASCII, "/" and "." among it.
bool is_overlong(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (c == 0xc0 || c == 0xc1 || c > 0xf4 || (c == 0xe0 && next < 0xa0) || (c == 0xf0 && next < 0x90)) return true;
  }
  return false;
}

// Where WebDAV's COPY and MOVE write (RFC 4918 §10.3): the path of an URL, or one alone.
std::string_view path_of_destination(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (!url.starts_with('/') && colon != std::string_view::npos) {
    url.remove_prefix(colon + 3);
    url.remove_prefix(std::min(url.find_first_of("/?#"), url.size()));
  }
  return url.substr(0, url.find_first_of("?#"));
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(",\n"), text.size());
    std::string_view element = trimmed(text.substr(0, end));
    if (element.ends_with('\r')) element.remove_suffix(1);
    if (!element.empty()) out.emplace_back(element);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Result<std::string> plain_path(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      const int high = i + 2 < path.size() ? digit(path[i + 1]) : -1;
      const int low = i + 2 < path.size() ? digit(path[i + 2]) : -1;
      if (high < 0 || low < 0) return ambiguous(path, "has a broken escape");
      c = static_cast<char>(high * 16 + low);
      i += 2;
      if (c == '/' || c == '\\' || c == '%' || (c >= 0 && c < ' ') || c == '\x7f')
        return ambiguous(path, "escapes what separates");
    }
    if (c == '\\' || c == ';') return ambiguous(path, "holds a \\ or ;");
    out += c;
  }
  if (is_overlong(out)) return ambiguous(path, "is no UTF-8");
  std::string_view rest = out;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    // Windows takes ".. " and "..." for "..".
    if (segment.contains('.') && segment.find_first_not_of(". ") == std::string_view::npos)
      return ambiguous(path, "has a segment . or ..");
    if (segment.empty() && end < rest.size()) return ambiguous(path, "has an empty segment");
    rest.remove_prefix(end);
  }
  return out;
}

bool matches(std::string_view pattern, std::string_view text) {
  // The last * seen, and where the text goes on behind what it stands for.
  std::size_t p = 0, t = 0, star = std::string_view::npos, after = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<Rules> Rules::make(std::string_view methods, std::string_view paths, bool read_only) {
  Rules rules;
  rules.methods_ = split_list(methods);
  rules.paths_ = split_list(paths);
  rules.read_only_ = read_only;
  for (const std::string& method : rules.methods_) {
    const bool upper = std::ranges::none_of(method, [](char c) { return c >= 'a' && c <= 'z'; });
    if (!is_token(method) || !upper)
      return fail(Code::kInvalid, "setting \"methods\": " + quoted(method) + " is no method, such as GET");
    if (read_only && std::ranges::find(kReading, method) == kReading.end())
      return fail(Code::kInvalid, "setting \"methods\": " + quoted(method) + " writes, which read_only refuses");
  }
  for (const std::string& path : rules.paths_)
    if (!path.starts_with('/') && !path.starts_with('*'))
      return fail(Code::kInvalid, "setting \"paths\": " + quoted(path) + " does not begin with /");
  if (rules.methods_.size() > kListLimit || rules.paths_.size() > kListLimit)
    return fail(Code::kLimit, fmt::format("settings \"methods\" and \"paths\": at most {} of each", kListLimit));
  return rules;
}

Result<> Rules::check(const RequestHead& head, bool websocket) const {
  if (read_only_ && std::ranges::find(kReading, head.method) == kReading.end())
    return fail(Code::kDenied, "this resource may only be read: " + quoted(head.method) + " is refused", "read_only");
  // What goes through a WebSocket cannot be told from here.
  if (read_only_ && websocket)
    return fail(Code::kDenied, "this resource may only be read: a WebSocket is refused", "read_only");
  if (!methods_.empty() && std::ranges::find(methods_, head.method) == methods_.end())
    return fail(Code::kDenied, "the method " + quoted(head.method) + " is not allowed at this resource",
                "method_refused");
  if (paths_.empty()) return {};
  PL_CHECK(check_path(head.path()));
  for (const Field& field : head.fields.all())
    if (loose_name(field.name) == "destination") PL_CHECK(check_path(path_of_destination(field.value)));
  return {};
}

Result<> Rules::check_path(std::string_view asked) const {
  PL_TRY(const std::string path, plain_path(asked));
  const bool allowed = std::ranges::any_of(paths_, [&](const std::string& pattern) { return matches(pattern, path); });
  if (!allowed)
    return fail(Code::kDenied, "the path " + quoted(asked) + " is not allowed at this resource", "path_refused");
  return {};
}

std::string Rules::allowed() const {
  if (!methods_.empty()) return fmt::format("{}", fmt::join(methods_, ", "));
  return read_only_ ? fmt::format("{}", fmt::join(kReading, ", ")) : "";
}

void Rules::drop_overrides(Fields& fields) const {
  if (any_method()) return;
  fields.remove_if(
      [](const Field& field) { return std::ranges::find(kOverrides, loose_name(field.name)) != kOverrides.end(); });
}

}  // namespace portolan::protocols::http
