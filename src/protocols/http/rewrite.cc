// Cookies: browsers treat *.localhost as trustworthy, but not all of them take a Secure cookie without TLS, and none
// takes SameSite=None without Secure. So over plain HTTP, Secure goes, SameSite=None with it, and cookies whose prefix
// demands Secure (__Host-, __Secure-) are known to the browser by another name.
#include "protocols/http/rewrite.h"

#include <algorithm>
#include <array>

namespace portolan::protocols::http {
namespace {

constexpr std::string_view kRenamed = "pl";  // before "__Host-" and "__Secure-"
constexpr std::array<std::string_view, 2> kPrefixes = {"__Host-", "__Secure-"};

constexpr std::array<std::string_view, 3> kUrls = {"location", "content-location", "access-control-allow-origin"};
constexpr std::array<std::string_view, 5> kTexts = {"refresh", "link", "content-security-policy",
                                                    "content-security-policy-report-only", "timing-allow-origin"};
constexpr std::array<std::string_view, 4> kAway = {"alt-svc", "strict-transport-security", "public-key-pins",
                                                   "expect-ct"};

template <std::size_t n>
bool is_among(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::ranges::any_of(names, [&](std::string_view each) { return same_name(each, name); });
}

bool has_prefix(std::string_view name) {
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return same_name(name.substr(0, prefix.size()), prefix); });
}

// What a browser demands of a cookie with such a name (RFC 6265bis §4.1.3). It does not know the name any more, so the
// demand is ours: else one host of an application could plant what the others hold to be their own.
bool keeps_promise(std::string_view cookie) {
  const bool of_host = same_name(cookie.substr(0, kPrefixes[0].size()), kPrefixes[0]);
  bool secure = false, domain = false, root = false;
  cookie.remove_prefix(std::min(cookie.find(';'), cookie.size()));
  while (!cookie.empty()) {
    cookie.remove_prefix(1);
    const std::size_t end = std::min(cookie.find(';'), cookie.size());
    const std::string_view part = cookie.substr(0, end);
    cookie.remove_prefix(end);
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = trimmed(part.substr(0, equals));
    const std::string_view value = trimmed(part.substr(std::min(equals + 1, part.size())));
    secure = secure || same_name(name, "secure");
    domain = domain || (same_name(name, "domain") && !value.empty());
    if (same_name(name, "path")) root = value == "/";
  }
  return secure && (!of_host || (root && !domain));
}

// Without the directives that send a browser to TLS.
std::string relaxed_policy(std::string_view policy) {
  std::string out;
  while (!policy.empty()) {
    const std::size_t end = std::min(policy.find(';'), policy.size());
    const std::string_view directive = policy.substr(0, end);
    policy.remove_prefix(std::min(end + 1, policy.size()));
    const std::string name = lower_case(trimmed(directive));
    if (name == "upgrade-insecure-requests" || name == "block-all-mixed-content" || name.empty()) continue;
    if (!out.empty()) out += ";";
    out += directive;
  }
  return out;
}

}  // namespace

std::string real_cookies(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(';'), value.size());
    std::string_view pair = trimmed(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
    if (pair.starts_with(kRenamed) && has_prefix(pair.substr(kRenamed.size()))) pair.remove_prefix(kRenamed.size());
    if (pair.empty()) continue;
    if (!out.empty()) out += "; ";
    out += pair;
  }
  return out;
}

std::optional<std::string> local_cookie(std::string_view value, const View& view) {
  const std::string_view cookie = trimmed(value);
  const bool renamed_already = same_name(cookie.substr(0, kRenamed.size()), kRenamed) &&
                               has_prefix(cookie.substr(std::min(kRenamed.size(), cookie.size())));
  if (view.plain() && (renamed_already || (has_prefix(cookie) && !keeps_promise(cookie)))) return std::nullopt;
  std::string out;
  bool first = true;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(';'), value.size());
    const std::string_view part = trimmed(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
    if (std::exchange(first, false)) {
      if (view.plain() && has_prefix(part)) out += kRenamed;
      out += part;
      continue;
    }
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = trimmed(part.substr(0, equals));
    const std::string_view set = trimmed(part.substr(std::min(equals + 1, part.size())));
    if (part.empty()) continue;
    if (same_name(name, "domain")) {
      if (set.empty()) continue;
      const auto domain = view.cookie_domain(set);
      if (!domain) return std::nullopt;
      out += "; Domain=" + *domain;
      continue;
    }
    const bool needs_tls = same_name(name, "secure") || same_name(name, "partitioned") ||
                           (same_name(name, "samesite") && same_name(set, "none"));
    if (view.plain() && needs_tls) continue;
    out += "; ";
    out += part;
  }
  return out;
}

void to_real_names(Fields& fields, const View& view) {
  if (view.form() == View::Form::kReal) return;
  for (Field& field : fields.all()) {
    if (same_name(field.name, "origin") || same_name(field.name, "referer") || same_name(field.name, "destination")) {
      if (auto real = view.to_real(field.value)) field.value = std::move(*real);
    } else if (same_name(field.name, "cookie")) {
      field.value = real_cookies(field.value);
    }
  }
}

void to_local_names(Fields& fields, const View& view) {
  // Another way to the application than ours, also for a browser that knows it by its real name.
  fields.remove("alt-svc");
  if (view.form() == View::Form::kReal) return;
  if (view.plain()) fields.remove_if([](const Field& field) { return is_among(kAway, field.name); });
  const auto pairs = view.to_local_pairs();
  std::vector<Field> kept;
  for (Field& field : fields.all()) {
    if (is_among(kUrls, field.name)) {
      if (auto local = view.to_local(field.value)) field.value = std::move(*local);
    } else if (is_among(kTexts, field.name)) {
      field.value = replace_links(field.value, pairs);
      if (view.plain() && lower_case(field.name).starts_with("content-security-policy"))
        field.value = relaxed_policy(field.value);
    } else if (same_name(field.name, "set-cookie")) {
      auto cookie = local_cookie(field.value, view);
      if (!cookie) continue;
      field.value = std::move(*cookie);
    }
    kept.push_back(std::move(field));
  }
  fields.all() = std::move(kept);
}

}  // namespace portolan::protocols::http
