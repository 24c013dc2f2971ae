// The PROXY protocol, version 2 (haproxy.org, "The PROXY protocol", §2.2): the first bytes of a connection, by which a
// balancer says whose it is. Whoever may send it is believed, so it is asked for by those only whom an admin has named.
//
//   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | 0x20 LOCAL or 0x21 PROXY | 0x11 TCP over IPv4, 0x21 TCP over IPv6, 0 unknown
//   | u16 length of what follows | source, destination, source port, destination port | TLVs
//
// Version 1, a line of text, is refused: its length is not known before it has been read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/tcp.h"

namespace portolan::net {

inline constexpr std::size_t kProxyHeadBytes = 16;
// What a balancer may send behind the head: 36 bytes of addresses, and TLVs, which are skipped.
inline constexpr std::size_t kProxyRestLimit = 1024;

struct ProxyHead {
  enum class From { kBalancer, kTcp4, kTcp6 };
  From from = From::kBalancer;  // kBalancer: a connection of its own (a health check), or of an unknown kind
  std::uint16_t rest = 0;       // bytes that follow; at most kProxyRestLimit
};
// From its 16 bytes; Code::kProtocol for anything else.
Result<ProxyHead> decode_proxy_head(ByteView bytes);
// From the bytes behind it, all of them: whose connection it is; none: the balancer's own. Code::kProtocol for
// addresses or TLVs that do not fill them exactly.
Result<std::optional<Endpoint>> decode_proxy_rest(const ProxyHead& head, ByteView rest);

// Reads the header and takes nothing of what follows; the stream then calls itself, in messages and by peer(), after
// the address that it names. Nothing is allocated by a length that came with it. The caller sets the time limit.
// `stream` is one of listen_tcp() and lives until the task ends.
Task<Result<>> take_proxy_header(TcpStream& stream);

}  // namespace portolan::net
