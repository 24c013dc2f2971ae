#include "protocols/http/names.h"

#include <algorithm>

#include <fmt/format.h>

namespace portolan::protocols::http {
namespace {

constexpr std::size_t kAliasesLimit = 16;
constexpr std::string_view kLocalSuffix = ".localhost";

struct Url {
  std::string scheme;  // in lower case; empty for "//host"
  Authority authority;
  std::string_view rest;  // from the path on
};

// An absolute URL, or one without its scheme; nothing for anything else, and for one with a user name.
std::optional<Url> split_url(std::string_view url) {
  Url out;
  const std::size_t slashes = url.find("//");
  if (slashes == std::string_view::npos) return std::nullopt;
  if (slashes > 0) {
    if (url[slashes - 1] != ':') return std::nullopt;
    out.scheme = lower_case(url.substr(0, slashes - 1));
    if (out.scheme != "http" && out.scheme != "https" && out.scheme != "ws" && out.scheme != "wss") return std::nullopt;
  }
  url.remove_prefix(slashes + 2);
  const std::size_t end = std::min(url.find_first_of("/?#\\"), url.size());
  const auto authority = parse_authority(url.substr(0, end));
  if (!authority) return std::nullopt;
  out.authority = *authority;
  out.rest = url.substr(end);
  return out;
}

std::uint16_t port_of(const Authority& authority, std::string_view scheme) {
  return authority.port.value_or(default_port_of(scheme));
}

bool is_socket(std::string_view scheme) { return scheme.starts_with("ws"); }

// "http" as "ws" if the URL was one of a WebSocket.
std::string like(const Url& url, std::string_view origin) {
  if (!is_socket(url.scheme)) return std::string(origin);
  return (origin.starts_with("https") ? "wss" : "ws") + std::string(origin.substr(origin.find(':')));
}

bool covers(std::string_view domain, std::string_view host) {
  return host == domain || (host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.');
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && !text.starts_with('-') && !text.ends_with('-') &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

std::unexpected<Error> bad_alias(std::string_view text, std::string_view why) {
  return fail(Code::kInvalid, fmt::format("setting \"aliases\": {} {}", quoted(text), why));
}

}  // namespace

View::View(const std::vector<Host>& hosts, std::string_view app_scheme, std::size_t host, Form form, std::string scheme,
           std::string local_base)
    : hosts_(&hosts),
      app_scheme_(app_scheme),
      host_(host),
      form_(form),
      scheme_(std::move(scheme)),
      local_base_(std::move(local_base)) {}

std::string View::real_authority() const { return print(host().real, app_scheme_); }

std::string View::real_origin(const Host& host) const { return app_scheme_ + "://" + print(host.real, app_scheme_); }

std::string View::local_name(const Host& host) const {
  return host.label.empty() ? local_base_ : host.label + "." + local_base_;
}

std::string View::local_origin(const Host& host) const {
  return form_ == Form::kReal ? real_origin(host) : scheme_ + "://" + local_name(host);
}

std::optional<std::string> View::to_local(std::string_view text) const {
  if (form_ == Form::kReal) return std::nullopt;
  const auto url = split_url(text);
  if (!url) return std::nullopt;
  const std::string scheme = url->scheme.empty() ? app_scheme_ : url->scheme;
  for (const Host& host : *hosts_) {
    if (host.real.host != url->authority.host) continue;
    // Behind something that ends TLS many an application believes that it has none: http://itself is itself.
    const bool same_port = port_of(url->authority, scheme) == port_of(host.real, app_scheme_);
    if (same_port || (!url->authority.port && !host.real.port))
      return like(*url, local_origin(host)) + std::string(url->rest);
  }
  return std::nullopt;
}

std::optional<std::string> View::to_real(std::string_view text) const {
  if (form_ == Form::kReal) return std::nullopt;
  const auto url = split_url(text);
  if (!url || url->scheme.empty()) return std::nullopt;
  const std::string as_web = url->scheme == "ws" ? "http" : url->scheme == "wss" ? "https" : url->scheme;
  const std::string origin = as_web + "://" + print(url->authority, as_web);
  for (const Host& host : *hosts_)
    if (local_origin(host) == origin) return like(*url, real_origin(host)) + std::string(url->rest);
  return std::nullopt;
}

std::vector<LinkReplacer::Pair> View::to_local_pairs() const {
  std::vector<LinkReplacer::Pair> out;
  if (form_ == Form::kReal) return out;
  for (const Host& host : *hosts_) {
    out.push_back({real_origin(host), local_origin(host)});
    // As in to_local(): the other scheme, where both have their own port.
    if (host.real.port) continue;
    out.push_back({(app_scheme_ == "https" ? "http://" : "https://") + print(host.real, "https"), local_origin(host)});
  }
  return out;
}

std::optional<std::string> View::cookie_domain(std::string_view text) const {
  std::string domain = lower_case(text);
  if (domain.starts_with('.')) domain.erase(0, 1);
  if (domain.empty() || !covers(domain, host().real.host)) return std::nullopt;
  if (form_ == Form::kReal) return domain;
  const auto without_port = [](const std::string& name) { return name.substr(0, name.find(':')); };
  // A domain with several of the hosts in it becomes the name that holds all of them.
  const auto covered = std::ranges::count_if(*hosts_, [&](const Host& each) { return covers(domain, each.real.host); });
  return without_port(covered > 1 ? local_base_ : local_name(host()));
}

Result<View> Names::view_of(const RequestHead& head) const {
  const std::string scheme = head.scheme.empty() ? "http" : head.scheme;
  const auto asked = parse_authority(head.authority);
  const std::string own = lower_case(name_) + std::string(kLocalSuffix);
  if (asked && covers(own, asked->host)) {
    const std::string label =
        asked->host.size() > own.size() ? asked->host.substr(0, asked->host.size() - own.size() - 1) : "";
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      if (hosts_[i].label == label)
        return View(hosts_, app_scheme_, i, View::Form::kLocal, scheme, print(Authority{own, asked->port}, scheme));
  }
  for (std::size_t i = 0; asked && i < hosts_.size(); ++i)
    if (hosts_[i].real.host == asked->host && port_of(hosts_[i].real, app_scheme_) == port_of(*asked, scheme))
      return View(hosts_, app_scheme_, i, View::Form::kReal, scheme, "");
  return fail(Code::kDenied, fmt::format("{} is no name of the resource {}", quoted(head.authority), quoted(name_)),
              "misdirected");
}

Result<std::vector<Host>> hosts_of_application(std::string_view main, std::string_view aliases,
                                               std::string_view app_scheme, const std::vector<net::Endpoint>& dialled) {
  std::vector<Host> out;
  const auto authority = parse_authority(main);
  if (!authority) return fail(Code::kInvalid, quoted(main) + " is no name of a host");
  out.push_back({"", *authority, 0});
  std::string_view rest = aliases;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view text = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return bad_alias(text, "is not written LABEL=HOST");
    const std::string_view label = trimmed(text.substr(0, equals));
    const auto real = parse_authority(trimmed(text.substr(equals + 1)));
    if (!is_label(label)) return bad_alias(label, "is no label of a name: letters, digits and - are");
    if (!real) return bad_alias(text, "names no host");
    Host host{std::string(label), *real, 0};
    for (const Host& known : out)
      if (known.label == host.label || known.real == host.real) return bad_alias(text, "is there already");
    for (std::size_t i = 0; i < dialled.size(); ++i)
      if (lower_case(dialled[i].host) == host.real.host && dialled[i].port == port_of(host.real, app_scheme))
        host.dial = i;
    out.push_back(std::move(host));
    if (out.size() > kAliasesLimit)
      return fail(Code::kLimit, fmt::format("setting \"aliases\": at most {}", kAliasesLimit - 1));
  }
  return out;
}

}  // namespace portolan::protocols::http
