#include "net/proxy_protocol.h"

#include <netinet/in.h>
#include <algorithm>
#include <array>
#include <cstring>

#include "net/socket_stream.h"

namespace portolan::net {
namespace {

constexpr std::array<std::byte, 12> kSignature = {std::byte{0x0d}, std::byte{0x0a}, std::byte{0x0d}, std::byte{0x0a},
                                                  std::byte{0x00}, std::byte{0x0d}, std::byte{0x0a}, std::byte{0x51},
                                                  std::byte{0x55}, std::byte{0x49}, std::byte{0x54}, std::byte{0x0a}};
constexpr std::uint8_t kLocal = 0x20;  // version 2, and the command
constexpr std::uint8_t kProxy = 0x21;
constexpr std::uint8_t kUnknown = 0x00;
constexpr std::uint8_t kTcpOverIpv4 = 0x11;
constexpr std::uint8_t kTcpOverIpv6 = 0x21;
constexpr std::size_t kIpv4Bytes = 12;  // two addresses, two ports
constexpr std::size_t kIpv6Bytes = 36;

std::size_t address_bytes(ProxyHead::From from) {
  switch (from) {
    case ProxyHead::From::kBalancer: return 0;
    case ProxyHead::From::kTcp4: return kIpv4Bytes;
    case ProxyHead::From::kTcp6: return kIpv6Bytes;
  }
  return 0;
}

Endpoint ipv4(ByteView address, std::uint16_t port) {
  SocketAddress made;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  std::memcpy(&in.sin_addr, address.data(), sizeof(in.sin_addr));
  std::memcpy(&made.storage, &in, sizeof(in));
  made.size = sizeof(in);
  return to_endpoint(made);
}

Endpoint ipv6(ByteView address, std::uint16_t port) {
  SocketAddress made;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, address.data(), sizeof(in.sin6_addr));
  std::memcpy(&made.storage, &in, sizeof(in));
  made.size = sizeof(in);
  return to_endpoint(made);
}

// §2.2.7: a type, a length of two bytes, and as many bytes. What they say is nothing to us; that they end where the
// header ends is: else header and TLS would be told apart otherwise by us than by the balancer.
bool only_tlvs(ByteView bytes) {
  ByteReader tlvs(bytes);
  while (tlvs.ok() && !tlvs.rest().empty()) {
    tlvs.u8();
    const auto length = tlvs.u16();
    tlvs.take(length);
  }
  return tlvs.ok();
}

}  // namespace

Result<ProxyHead> decode_proxy_head(ByteView bytes) {
  ByteReader reader(bytes);
  if (!std::ranges::equal(reader.take(kSignature.size()), kSignature))
    return fail(Code::kProtocol, "not a PROXY protocol header of version 2");
  const auto command = reader.u8();
  const auto family = reader.u8();
  ProxyHead head;
  head.rest = reader.u16();
  if (!reader.at_end()) return fail(Code::kProtocol, "PROXY header: cut off");
  if (command != kLocal && command != kProxy) return fail(Code::kProtocol, "PROXY header: unknown version or command");
  if (head.rest > kProxyRestLimit) return fail(Code::kProtocol, "PROXY header: longer than it may be");
  if (command == kProxy && family == kTcpOverIpv4)
    head.from = ProxyHead::From::kTcp4;
  else if (command == kProxy && family == kTcpOverIpv6)
    head.from = ProxyHead::From::kTcp6;
  else if (command == kProxy && family != kUnknown)
    return fail(Code::kProtocol, "PROXY header: of a connection that is not TCP");
  if (head.rest < address_bytes(head.from)) return fail(Code::kProtocol, "PROXY header: shorter than its addresses");
  return head;
}

Result<std::optional<Endpoint>> decode_proxy_rest(const ProxyHead& head, ByteView rest) {
  if (rest.size() != head.rest) return fail(Code::kProtocol, "PROXY header: cut off");
  // Of an unknown kind is all that follows (§2.2.3).
  if (head.from == ProxyHead::From::kBalancer) return std::optional<Endpoint>();
  const bool is_ipv4 = head.from == ProxyHead::From::kTcp4;
  const std::size_t size = is_ipv4 ? 4 : 16;
  ByteReader reader(rest);
  const ByteView source = reader.take(size);
  reader.take(size);  // the destination: it is here
  const auto port = reader.u16();
  reader.u16();
  if (!reader.ok()) return fail(Code::kProtocol, "PROXY header: shorter than its addresses");
  if (!only_tlvs(reader.rest())) return fail(Code::kProtocol, "PROXY header: malformed behind its addresses");
  return std::optional(is_ipv4 ? ipv4(source, port) : ipv6(source, port));
}

Task<Result<>> take_proxy_header(TcpStream& stream) {
  std::array<std::byte, kProxyRestLimit> bytes{};
  CO_CHECK(co_await read_exactly(stream, std::span(bytes).first(kProxyHeadBytes)));
  CO_TRY(const auto head, decode_proxy_head(ByteView(bytes).first(kProxyHeadBytes)));
  const auto rest = std::span(bytes).first(head.rest);
  CO_CHECK(co_await read_exactly(stream, rest));
  CO_TRY(const auto client, decode_proxy_rest(head, rest));
  auto* socket = dynamic_cast<SocketStream*>(&stream);
  if (socket && client) socket->came_from(*client);
  co_return Result<>{};
}

}  // namespace portolan::net
