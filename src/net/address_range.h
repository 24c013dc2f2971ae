// Ranges of addresses as people write them: "10.0.0.0/8", "fd00::/8", or one address.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "net/tcp.h"

namespace portolan::net {

class AddressRange {
 public:
  // Code::kInvalid for anything else, also for a network with bits behind its prefix: it may be meant otherwise.
  static Result<AddressRange> parse(std::string_view text);
  // Of an endpoint whose host is a numeric address. An IPv4 address within IPv6 counts as the IPv4 address.
  bool contains(const Endpoint& endpoint) const;

 private:
  std::array<unsigned char, 16> bytes_{};  // IPv4 as ::ffff:a.b.c.d
  unsigned prefix_ = 128;
};

// Apart by commas; empty for an empty text.
Result<std::vector<AddressRange>> parse_address_ranges(std::string_view text);
bool any_contains(const std::vector<AddressRange>& ranges, const Endpoint& endpoint);

}  // namespace portolan::net
