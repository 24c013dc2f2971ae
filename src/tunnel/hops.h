// What a gateway tells the next one of a path that it forwards (docs/wire.md, "Several gateways in a row"): which
// gateways the path has passed, so that it can never go in a circle, whatever the tables say; and whose it is.
#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http/message.h"

namespace portolan::tunnel {

// Headers of a CONNECT on a link of Purpose::kNode. kHopsHeader is in the answer, too: the gateways from here on.
inline constexpr std::string_view kHopsHeader = "portolan-hops";
inline constexpr std::string_view kAccountHeader = "portolan-account";
inline constexpr std::string_view kDeviceHeader = "portolan-device";

// Gateways on one path.
inline constexpr std::size_t kHopLimit = 4;

// Of a CONNECT of a client: for how many ms at most the gateway may wait for a link with the egress node, if it has no
// way there. Not passed on.
inline constexpr std::string_view kWaitHeader = "portolan-wait-ms";
inline constexpr std::chrono::milliseconds kLongestWait = std::chrono::seconds(2);

// Reasons of refusals.
inline constexpr std::string_view kRelayAway = "relay_away";
inline constexpr std::string_view kRoutingLoop = "routing_loop";
inline constexpr std::string_view kTooManyHops = "too_many_hops";

// Node ids, in the order of the path.
using Hops = std::vector<std::string>;

std::string to_text(const Hops& hops);
// Empty text: none. Code::kProtocol for anything that is not a list of at most kHopLimit node ids, each once.
Result<Hops> parse_hops(std::string_view text);

struct Forwarded {
  Hops hops;            // passed already, the one that asks last; at least one
  std::string account;  // a-…
  std::string device;   // d-…
};
net::http::Headers to_headers(const Forwarded& forwarded);
// Code::kProtocol if one is missing or has no such form. Others are not looked at.
Result<Forwarded> read_forwarded(const net::http::Headers& headers);

// What kWaitHeader says, at most kLongestWait; 0 if it is missing or no number.
std::chrono::milliseconds read_wait(const net::http::Headers& headers);

}  // namespace portolan::tunnel
