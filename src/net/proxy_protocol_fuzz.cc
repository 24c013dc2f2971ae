// The first bytes of a connection from a balancer, or from who can send in its name: what is taken fills its length,
// and the client it names is an address.
#include <algorithm>
#include <cstdlib>

#include "net/address_range.h"
#include "net/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace portolan;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto all = net::parse_address_ranges("0.0.0.0/0,::/0");
  const auto head = net::decode_proxy_head(bytes.first(std::min(size, net::kProxyHeadBytes)));
  if (!head) return 0;
  if (head->rest > net::kProxyRestLimit) std::abort();
  const ByteView behind = bytes.subspan(net::kProxyHeadBytes);
  const auto client = net::decode_proxy_rest(*head, behind.first(std::min<std::size_t>(behind.size(), head->rest)));
  if (!client) return 0;
  if (behind.size() < head->rest) std::abort();
  if (*client && !net::any_contains(*all, **client)) std::abort();
  return 0;
}
