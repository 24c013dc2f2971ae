#include "client/web/names.h"

#include <algorithm>

#include <fmt/format.h>

#include "protocols/driver.h"

namespace portolan::client::web {
namespace {

constexpr std::string_view kSuffix = ".localhost";

struct LocalName {
  std::string_view label;  // empty: the main host's
  std::string_view resource;
};

// Of "wiki.localhost" and "api.wiki.localhost", in lower case; nothing for any other name.
std::optional<LocalName> parse_local(std::string_view host) {
  if (!host.ends_with(kSuffix)) return std::nullopt;
  host.remove_suffix(kSuffix.size());
  const std::size_t dot = host.rfind('.');
  LocalName out;
  if (dot != std::string_view::npos) out.label = host.substr(0, dot);
  out.resource = host.substr(dot == std::string_view::npos ? 0 : dot + 1);
  const bool label_is_good = dot == std::string_view::npos || (!out.label.empty() && !out.label.contains('.'));
  if (out.resource.empty() || !label_is_good) return std::nullopt;
  return out;
}

std::unexpected<Error> misdirected(std::string message) {
  return std::unexpected(Error{Code::kDenied, std::move(message), "misdirected", Hop::kAgent});
}

std::unexpected<Error> not_signed_in() {
  return std::unexpected(Error{Code::kUnauthenticated,
                               "nobody is signed in on this machine; run: portolan login ADDRESS", "not_signed_in",
                               Hop::kAgent});
}

Result<Asked> whom_local(Origin origin, const Names& names) {
  const auto local = parse_local(origin.authority.host);
  if (!local)
    return misdirected(quoted(origin.authority.host) +
                       " is no name of an application; they are called NAME.localhost and LABEL.NAME.localhost");
  const Application* found = names.find(local->resource);
  if (!found) return std::unexpected(names.why_none(local->resource));
  if (!found->has_label(local->label))
    return misdirected("the application " + quoted(found->name) + " has no host with the label " +
                       quoted(local->label));
  return Asked{Asked::Kind::kLocal, std::move(origin), found};
}

Result<Asked> whom_real(Origin origin, const Names& names) {
  const Application* found = names.find_real(origin);
  if (!found)
    return misdirected(to_text(origin) +
                       " is none of the web applications that you may use; a browser should send here only what the "
                       "file proxy.pac names");
  return Asked{Asked::Kind::kReal, std::move(origin), found};
}

}  // namespace

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  const bool is_address = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_address && host.starts_with("127.") && std::ranges::count(host, '.') == 3 && !host.ends_with('.');
}

std::optional<Origin> parse_origin(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  Origin out{http::lower_case(url.substr(0, colon)), {}};
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  url.remove_prefix(colon + 3);
  auto authority = http::parse_authority(url.substr(0, std::min(url.find_first_of("/?#\\"), url.size())));
  if (!authority) return std::nullopt;
  out.authority = std::move(*authority);
  return out;
}

bool same(const Origin& a, const Origin& b) {
  return a.scheme == b.scheme && a.authority.host == b.authority.host && a.port() == b.port();
}

std::string to_text(const Origin& origin) {
  return origin.scheme + "://" + http::print(origin.authority, origin.scheme);
}

bool Application::has_label(std::string_view label) const {
  return label.empty() || hosts.empty() || std::ranges::find(hosts, label, &Host::label) != hosts.end();
}

bool is_web(const api::AgentResource& resource) {
  const protocols::Protocol* protocol = protocols::find_protocol(resource.type);
  return protocol != nullptr && protocol->web_hosts != nullptr;
}

std::string url_of(std::string_view resource, std::uint16_t port) {
  return to_text({"http", {std::string(resource) + std::string(kSuffix), port}});
}

Names::Names(const std::vector<api::AgentResource>& resources, const std::set<std::string>& connected,
             const std::set<std::string>& offered)
    : offered_(offered) {
  for (const api::AgentResource& resource : resources) {
    if (!is_web(resource)) {
      others_[resource.name] = resource.type;
      continue;
    }
    Application application{resource.name, connected.contains(resource.name)};
    for (const api::AgentWebHost& host : resource.web.value_or(std::vector<api::AgentWebHost>{}))
      application.hosts.push_back({host.label, parse_origin(host.origin)});
    applications_.insert_or_assign(resource.name, std::move(application));
  }
}

const Application* Names::find(std::string_view name) const {
  const auto found = applications_.find(name);
  return found == applications_.end() ? nullptr : &found->second;
}

// As the node decides: by host and port. The scheme shows in the port.
const Application* Names::find_real(const Origin& origin) const {
  const Application* best = nullptr;
  for (const auto& [name, application] : applications_) {
    if (best != nullptr && !application.connected) continue;
    const bool is_it = std::ranges::any_of(application.hosts, [&](const Application::Host& host) {
      return host.real && host.real->authority.host == origin.authority.host && host.real->port() == origin.port();
    });
    if (!is_it) continue;
    best = &application;
    if (best->connected) break;
  }
  return best;
}

Error Names::why_none(std::string_view name) const {
  if (const auto other = others_.find(name); other != others_.end())
    return {Code::kNotFound,
            fmt::format("{} is a resource of type {}, which no browser opens; portolan ls shows its address",
                        quoted(name), other->second),
            "unknown_resource", Hop::kAgent};
  if (offered_.contains(std::string(name)))
    return {Code::kDenied, fmt::format("you may no longer use {}; ask an admin for access", quoted(name)), "no_grant",
            Hop::kAgent};
  return {Code::kNotFound,
          fmt::format("there is no web application {} that you may use; portolan ls shows those that you may",
                      quoted(name)),
          "unknown_resource", Hop::kAgent};
}

Result<Asked> whom(const http::RequestHead& head, const Entry& entry) {
  auto authority = http::parse_authority(head.authority);
  if (!authority) return misdirected("no name is asked for");
  const std::string scheme = !head.scheme.empty()      ? head.scheme
                             : entry.tunnel != nullptr ? entry.tunnel->scheme
                                                       : "http";
  Origin origin{scheme, std::move(*authority)};
  if (entry.tunnel != nullptr) {
    if (!same(origin, *entry.tunnel)) return misdirected(to_text(origin) + " in a tunnel to " + to_text(*entry.tunnel));
    if (entry.names == nullptr) return not_signed_in();
    return whom_real(std::move(origin), *entry.names);
  }
  const bool as_proxy = !head.scheme.empty();
  if (is_loopback(origin.authority.host)) {
    if (!as_proxy || (scheme == "http" && origin.port() == entry.port))
      return Asked{Asked::Kind::kOwnPage, std::move(origin), nullptr};
    return misdirected(to_text(origin) + " is on this machine: nothing to ask a proxy for");
  }
  const bool is_local = origin.authority.host.ends_with(kSuffix);
  if (!is_local && !as_proxy)
    return misdirected(quoted(origin.authority.host) +
                       " is no name of this proxy. If you have not typed it, a page tries to reach your applications "
                       "by a name of its own (DNS rebinding); applications are called NAME.localhost");
  if (entry.names == nullptr) return not_signed_in();
  if (!is_local) return whom_real(std::move(origin), *entry.names);
  if (scheme != "http") return misdirected(to_text(origin) + ": names under localhost are served by http only");
  return whom_local(std::move(origin), *entry.names);
}

bool is_kin(const Asked& asked, std::string_view url) {
  const auto origin = parse_origin(url);
  if (!origin) return false;
  switch (asked.kind) {
    case Asked::Kind::kOwnPage: return same(*origin, asked.origin);
    case Asked::Kind::kLocal: {
      const auto local = parse_local(origin->authority.host);
      return local && origin->scheme == asked.origin.scheme && origin->port() == asked.origin.port() &&
             local->resource == asked.application->name && asked.application->has_label(local->label);
    }
    case Asked::Kind::kReal:
      return std::ranges::any_of(asked.application->hosts,
                                 [&](const Application::Host& host) { return host.real && same(*host.real, *origin); });
  }
  return false;
}

}  // namespace portolan::client::web
