// TCP whose segments are kept short, for lines that swallow long packets and tell nobody (a "black hole" for path MTU
// discovery, RFC 2923 §2.1): a VPN or a DSL line whose ICMP is filtered.
#pragma once
#include <chrono>
#include <memory>

#include "net/tcp.h"

namespace portolan::net {

// dial_tcp(), with at most so many bytes in a segment, both ways: the peer is told in the handshake (TCP_MAXSEG before
// connect(), tcp(7)). 0: as many as the line takes.
Task<Result<std::unique_ptr<TcpStream>>> dial_tcp_in_segments(Endpoint to, std::chrono::milliseconds limit,
                                                              int longest);

}  // namespace portolan::net
