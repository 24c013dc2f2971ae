#include "net/address_range.h"

#include <arpa/inet.h>
#include <algorithm>
#include <charconv>

#include "net/socket_address.h"

namespace portolan::net {
namespace {

constexpr unsigned kMappedBits = 96;  // of an IPv4 address within IPv6, before its own

// The number of a prefix, at most `most`.
Result<unsigned> parse_prefix(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most)
    return fail(Code::kInvalid, "the prefix must be 0 to " + std::to_string(most));
  return value;
}

bool bit(const std::array<unsigned char, 16>& bytes, unsigned at) {
  return ((bytes[at / 8] >> (7U - at % 8)) & 1U) != 0;
}

}  // namespace

Result<AddressRange> AddressRange::parse(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return fail(Code::kInvalid, quoted(text) + ": must be an address or a network like 10.0.0.0/8; " + why);
  };
  const auto slash = text.find('/');
  const std::string host(text.substr(0, slash));
  // Strictly: "10.0.0" and "010.0.0.0" are addresses to some readers, each another one.
  AddressRange range;
  const bool is_ipv4 = inet_pton(AF_INET, host.c_str(), &range.bytes_[12]) == 1;
  if (is_ipv4)
    range.bytes_[10] = range.bytes_[11] = 0xff;
  else if (inet_pton(AF_INET6, host.c_str(), range.bytes_.data()) != 1)
    return wrong("this is no address");
  if (slash == text.npos) return range;
  const unsigned before = is_ipv4 ? kMappedBits : 0;
  const auto prefix = parse_prefix(text.substr(slash + 1), 128 - before);
  if (!prefix) return wrong(prefix.error().message);
  range.prefix_ = before + *prefix;
  for (unsigned at = range.prefix_; at < 128; ++at)
    if (bit(range.bytes_, at)) return wrong("it has bits behind its prefix");
  return range;
}

bool AddressRange::contains(const Endpoint& endpoint) const {
  const auto address = numeric_address(endpoint);
  if (!address) return false;
  std::array<unsigned char, 16> other{};
  std::ranges::copy(plain(*address).bytes, other.begin());
  const auto whole = static_cast<std::ptrdiff_t>(prefix_ / 8);
  if (!std::equal(bytes_.begin(), bytes_.begin() + whole, other.begin())) return false;
  for (unsigned at = static_cast<unsigned>(whole) * 8; at < prefix_; ++at)
    if (bit(bytes_, at) != bit(other, at)) return false;
  return true;
}

Result<std::vector<AddressRange>> parse_address_ranges(std::string_view text) {
  std::vector<AddressRange> ranges;
  while (!text.empty()) {
    const auto comma = text.find(',');
    PL_TRY(ranges.emplace_back(), AddressRange::parse(text.substr(0, comma)));
    if (comma == text.npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return fail(Code::kInvalid, "a network is missing behind the last comma");
  }
  return ranges;
}

bool any_contains(const std::vector<AddressRange>& ranges, const Endpoint& endpoint) {
  return std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(endpoint); });
}

}  // namespace portolan::net
