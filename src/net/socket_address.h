// Socket addresses as values. For net/ only.
#pragma once
#include <sys/socket.h>
#include <string>

#include "net/tcp.h"

namespace portolan::net {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// IPv4 and IPv6 only; an IPv4 address within IPv6 becomes plain IPv4.
Endpoint to_endpoint(const SocketAddress& address);
// An address without a look-up; Code::kInvalid if `host` is no numeric address.
Result<SocketAddress> numeric_address(const Endpoint& endpoint);
// Code::kInvalid if the path is too long for a socket.
Result<SocketAddress> unix_address(const std::string& path);

// 127.0.0.1 as the IPv6 address ::ffff:127.0.0.1 and back: 16 bytes, for comparison whatever the family.
struct PlainAddress {
  unsigned char bytes[16] = {};
  std::uint16_t port = 0;
  bool is_ipv4 = false;
  bool operator==(const PlainAddress&) const = default;
};
PlainAddress plain(const SocketAddress& address);

}  // namespace portolan::net
