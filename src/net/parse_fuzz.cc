// What strangers send before TLS knows them, and what people write for addresses.
#include "net/tcp.h"
#include "net/tls_greeting.h"

using namespace portolan;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  net::TlsGreeting greeting;
  if (net::read_alpn(bytes, greeting)) {
    for (const auto& name : greeting.alpn) {
      if (name.empty()) __builtin_trap();
    }
  }
  if (net::read_server_name(bytes, greeting) && greeting.name.size() > 253) __builtin_trap();
  for (const std::uint16_t standard : {0, 443}) {
    const auto endpoint = net::parse_endpoint(as_text(bytes), standard);
    if (!endpoint) continue;
    const auto again = net::parse_endpoint(net::to_text(*endpoint));
    if (!again || *again != *endpoint) __builtin_trap();
  }
  return 0;
}
