#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "net/socket_address.h"
#include "net/tcp.h"

namespace portolan::net {

namespace {

std::unexpected<Error> not_an_endpoint(std::string_view text, std::string_view why) {
  return fail(Code::kInvalid, quoted(text) + " is not host:port: " + std::string(why));
}

bool is_host(std::string_view host) {
  auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == '_'; };
  return host.size() <= 253 && std::ranges::all_of(host, allowed);
}

// With a zone ("fe80::1%eth0") or without.
bool is_ipv6(std::string_view host) {
  const auto percent = host.find('%');
  const auto zone = host.substr(std::min(percent, host.size()));
  const bool good_zone = zone.empty() || (zone.size() > 1 && is_host(zone.substr(1)));
  const auto address = host.substr(0, percent);
  in6_addr ignored;
  return good_zone && address.find('\0') == address.npos &&
         inet_pton(AF_INET6, std::string(address).c_str(), &ignored) == 1;
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || at != end || text.size() > 5) return not_an_endpoint(whole, "bad port");
  return port;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::string_view port;
  const auto colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const auto close = text.find(']');
    if (close == text.npos) return not_an_endpoint(text, "missing ]");
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && port[0] != ':') return not_an_endpoint(text, "missing port");
  } else if (colon != text.npos && text.find(':') == colon) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  } else if (colon != text.npos && !is_ipv6(text)) {
    return not_an_endpoint(text, "put brackets around an IPv6 address");
  }
  const bool is_address = bracketed || colon != text.npos;
  if (bracketed ? !is_ipv6(host) : !(is_host(host) || (is_address && is_ipv6(host)))) {
    return not_an_endpoint(text, "bad host");
  }
  if (port.empty()) {
    if (default_port == 0) return not_an_endpoint(text, "missing port");
    if (host.empty()) return not_an_endpoint(text, "missing host");
    return Endpoint{std::string(host), default_port};
  }
  PL_TRY(const auto number, parse_port(port.substr(1), text));
  return Endpoint{std::string(host), number};
}

std::string to_text(const Endpoint& endpoint) {
  const bool bracketed = endpoint.host.find(':') != std::string::npos;
  return (bracketed ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

PlainAddress plain(const SocketAddress& address) {
  PlainAddress result;
  if (address.family() == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
    result.bytes[10] = result.bytes[11] = 0xff;
    std::memcpy(result.bytes + 12, &in.sin_addr, 4);
    result.port = ntohs(in.sin_port);
    result.is_ipv4 = true;
  } else if (address.family() == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    std::memcpy(result.bytes, &in6.sin6_addr, 16);
    result.port = ntohs(in6.sin6_port);
    result.is_ipv4 = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
  }
  return result;
}

Endpoint to_endpoint(const SocketAddress& address) {
  const auto as_bytes = plain(address);
  char host[NI_MAXHOST] = "";
  if (as_bytes.is_ipv4) {
    inet_ntop(AF_INET, as_bytes.bytes + 12, host, sizeof(host));
  } else {
    getnameinfo(address.raw(), address.size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST);
  }
  return {host, as_bytes.port};
}

Result<SocketAddress> numeric_address(const Endpoint& endpoint) {
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found) != 0) {
    return fail(Code::kInvalid, quoted(endpoint.host) + " is no address");
  }
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.size() >= sizeof(un.sun_path)) {
    return fail(Code::kInvalid, "socket path " + quoted(path, 128) + " is empty or longer than 107 bytes");
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

}  // namespace portolan::net
