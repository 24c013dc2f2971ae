#include "protocols/http/inject.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "protocols/http/settings.h"

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kHeadersLimit = 32;
// The message's own, what the rewriting of names relies on, and what is the browser's.
constexpr std::array<std::string_view, 17> kNeverInjected = {"host",
                                                             "content-length",
                                                             "transfer-encoding",
                                                             "connection",
                                                             "upgrade",
                                                             "te",
                                                             "expect",
                                                             "trailer",
                                                             "cookie",
                                                             "origin",
                                                             "referer",
                                                             "range",
                                                             "accept",
                                                             "date",
                                                             "keep-alive",
                                                             "content-type",
                                                             "proxy-authorization"};
constexpr std::array<std::string_view, 5> kPlaceholders = {"account", "device", "email", "name", "resource"};

std::string_view value_of(std::string_view placeholder, const Granted& granted) {
  if (placeholder == "account") return granted.account;
  if (placeholder == "device") return granted.device;
  if (placeholder == "email") return granted.email;
  if (placeholder == "name") return granted.name;
  return granted.resource;
}

// Puts values in place of what stands in braces; `granted` is null to check only.
Result<std::string> fill_in(std::string_view text, const Granted* granted) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find('{'), text.size());
    out += text.substr(0, open);
    text.remove_prefix(open);
    if (text.empty()) break;
    const std::size_t close = text.find('}');
    const std::string_view name = text.substr(1, std::min(close, text.size()) - 1);
    if (close == std::string_view::npos || std::ranges::find(kPlaceholders, name) == kPlaceholders.end())
      return fail(Code::kInvalid, "setting \"headers\": unknown {" + std::string(name.substr(0, 32)) +
                                      "}; known are {account}, {device}, {email}, {name}, {resource}");
    if (granted != nullptr) out += value_of(name, *granted);
    text.remove_prefix(close + 1);
  }
  return out;
}

// "Name: value" lines. The error does not show a value, which may be a secret.
Result<std::vector<Field>> parse_lines(std::string_view lines, std::string_view what) {
  std::vector<Field> out;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trimmed(line).empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
      return fail(Code::kInvalid, fmt::format("{}: a line is not \"Name: value\"", what));
    const std::string_view name = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (auto checked = check_injected_name(name); !checked)
      return std::unexpected(std::move(checked).error().within(what));
    if (value.empty() || !is_field_value(value))
      return fail(Code::kInvalid,
                  fmt::format("{}: the value of {} is empty or holds control characters", what, quoted(name)));
    for (const Field& known : out)
      if (loose_name(known.name) == loose_name(name))
        return fail(Code::kInvalid, fmt::format("{}: {} is there twice", what, quoted(name)));
    out.push_back({std::string(name), std::string(value)});
    if (out.size() > kHeadersLimit) return fail(Code::kLimit, fmt::format("{}: at most {}", what, kHeadersLimit));
  }
  return out;
}

}  // namespace

Result<> check_injected_name(std::string_view name) {
  if (!is_token(name)) return fail(Code::kInvalid, quoted(name) + " is no name of a header");
  const std::string loose = loose_name(name);
  const bool refused = std::ranges::find(kNeverInjected, loose) != kNeverInjected.end() || loose.starts_with("sec-");
  if (refused) return fail(Code::kInvalid, "a header " + quoted(name) + " cannot be added");
  return {};
}

Result<std::vector<Field>> parse_headers(std::string_view lines) {
  PL_TRY(auto fields, parse_lines(lines, "setting \"headers\""));
  for (const Field& field : fields) PL_CHECK(fill_in(field.value, nullptr));
  return fields;
}

Result<Injection> Injection::make(const Options& options, const Granted& granted, const Secret& token) {
  Injection out;
  const std::string& password = granted.password.reveal();
  if (options.auth == Auth::kBasic)
    PL_CHECK(out.add("Authorization", "Basic " + base64(as_bytes(granted.username + ":" + password))));
  if (options.auth != Auth::kNone && password.empty())
    return fail(Code::kInvalid, "the resource has no credential, which its setting \"auth\" asks for", "no_credential");
  if (options.auth == Auth::kBearer) PL_CHECK(out.add("Authorization", "Bearer " + password));
  if (options.auth == Auth::kHeaders) {
    PL_TRY(const auto secret, parse_lines(password, "the resource's credential"));
    if (secret.empty()) return fail(Code::kInvalid, "the resource's credential holds no headers", "no_credential");
    for (const Field& field : secret) PL_CHECK(out.add(field.name, field.value));
  }
  for (const Field& field : options.headers) {
    PL_TRY(std::string value, fill_in(field.value, &granted));
    PL_CHECK(out.add(field.name, std::move(value)));
  }
  if (options.jwt_header.empty()) return out;
  if (token.empty())
    return fail(Code::kUnavailable, "the lease has no identity token, which the setting \"jwt_header\" asks for",
                "no_identity_token");
  const bool bearer = same_name(options.jwt_header, "authorization");
  PL_CHECK(out.add(options.jwt_header, (bearer ? "Bearer " : "") + token.reveal()));
  return out;
}

Result<> Injection::add(std::string_view name, std::string value) {
  if (is_reserved(name)) return fail(Code::kInvalid, "the settings add " + quoted(name) + " twice", "bad_injection");
  if (value.empty() || !is_field_value(value) || value != trimmed(value))
    return fail(Code::kInvalid, "the value for " + quoted(name) + " cannot stand in a header", "bad_injection");
  reserved_.push_back(loose_name(name));
  fields_.emplace_back(name, Secret(std::move(value)));
  return {};
}

bool Injection::is_reserved(std::string_view name) const {
  return std::ranges::find(reserved_, loose_name(name)) != reserved_.end();
}

void Injection::apply(Fields& fields) const {
  fields.remove_if([&](const Field& field) { return is_reserved(field.name); });
  for (const auto& [name, value] : fields_) fields.add(name, value.reveal());
}

}  // namespace portolan::protocols::http
