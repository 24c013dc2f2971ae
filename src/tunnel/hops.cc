#include "tunnel/hops.h"

#include <algorithm>
#include <charconv>

#include "base/id.h"

namespace portolan::tunnel {
namespace {

constexpr std::size_t kLongestText = kHopLimit * 48;  // an id has 42 bytes at most

std::string_view find(const net::http::Headers& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::string to_text(const Hops& hops) {
  std::string text;
  for (const std::string& hop : hops) text += (text.empty() ? "" : ",") + hop;
  return text;
}

Result<Hops> parse_hops(std::string_view text) {
  Hops hops;
  if (text.empty()) return hops;
  if (text.size() > kLongestText) return fail(Code::kProtocol, "a list of hops that is too long", "bad_hops");
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view hop = text.substr(begin, end - begin);
    if (!is_id(hop, "n")) return fail(Code::kProtocol, "not a node: " + quoted(hop), "bad_hops");
    if (hops.size() == kHopLimit) return fail(Code::kProtocol, "a list of hops that is too long", "bad_hops");
    if (std::ranges::find(hops, hop) != hops.end())
      return fail(Code::kProtocol, "a list of hops with " + std::string(hop) + " twice", "bad_hops");
    hops.emplace_back(hop);
    begin = end + 1;
  }
  return hops;
}

net::http::Headers to_headers(const Forwarded& forwarded) {
  net::http::Headers headers;
  headers.emplace(kHopsHeader, to_text(forwarded.hops));
  headers.emplace(kAccountHeader, forwarded.account);
  headers.emplace(kDeviceHeader, forwarded.device);
  return headers;
}

Result<Forwarded> read_forwarded(const net::http::Headers& headers) {
  PL_TRY(Hops hops, parse_hops(find(headers, kHopsHeader)));
  if (hops.empty()) return fail(Code::kProtocol, "a forwarded path without its list of hops", "bad_hops");
  Forwarded forwarded{std::move(hops), std::string(find(headers, kAccountHeader)),
                      std::string(find(headers, kDeviceHeader))};
  if (!is_id(forwarded.account, "a") || !is_id(forwarded.device, "d"))
    return fail(Code::kProtocol, "a forwarded path that does not say whose it is", "bad_hops");
  return forwarded;
}

std::chrono::milliseconds read_wait(const net::http::Headers& headers) {
  const std::string_view text = find(headers, kWaitHeader);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::chrono::milliseconds(0);
  return std::min(std::chrono::milliseconds(number), kLongestWait);
}

}  // namespace portolan::tunnel
