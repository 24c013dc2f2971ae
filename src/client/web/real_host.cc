#include "client/web/real_host.h"

#include <algorithm>

#include "net/tcp.h"

namespace portolan::client::web {
namespace {

constexpr std::size_t kHostLimit = 253;

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= kHostLimit && !host.starts_with('.') && !host.ends_with('.') &&
         !host.contains("..") && std::ranges::all_of(host, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
         });
}

bool is_bracketed(std::string_view host) {
  return host.starts_with('[') && host.ends_with(']') && host.size() <= 41 && host.contains(':') &&
         std::ranges::all_of(host.substr(1, host.size() - 2), [](char c) {
           return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == ':' || c == '.';
         });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  unsigned port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

}  // namespace

std::optional<RealHost> parse_real_host(std::string_view origin) {
  if (origin.size() > kHostLimit + 16) return std::nullopt;
  std::string lower(origin);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  std::string_view rest = lower;
  RealHost out;
  for (const std::string_view scheme : {"https", "http"}) {
    if (!rest.starts_with(scheme) || !rest.substr(scheme.size()).starts_with("://")) continue;
    out.scheme = scheme;
    out.port = scheme == "https" ? 443 : 80;
    rest.remove_prefix(scheme.size() + 3);
    break;
  }
  if (out.scheme.empty()) return std::nullopt;
  const auto colon = rest.rfind(':');
  if (colon != rest.npos && !rest.ends_with(']')) {
    const auto port = parse_port(rest.substr(colon + 1));
    if (!port) return std::nullopt;
    out.port = *port;
    rest = rest.substr(0, colon);
  }
  if (is_bracketed(rest))
    out.host = rest.substr(1, rest.size() - 2);
  else if (is_name(rest))
    out.host = rest;
  else
    return std::nullopt;
  return out;
}

std::string to_text(const RealHost& host) { return host.scheme + "://" + net::to_text({host.host, host.port}); }

std::vector<RealHost> real_hosts(const std::vector<api::AgentResource>& resources) {
  std::vector<RealHost> out;
  for (const api::AgentResource& resource : resources) {
    if (!resource.web) continue;
    for (const api::AgentWebHost& each : *resource.web)
      if (auto host = parse_real_host(each.origin)) out.push_back(std::move(*host));
  }
  std::ranges::sort(out);
  const auto repeated = std::ranges::unique(out);
  out.erase(repeated.begin(), repeated.end());
  return out;
}

}  // namespace portolan::client::web
