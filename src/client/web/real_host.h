// The hosts that web applications have by themselves, as the control plane tells the agent: what the forward proxy is
// for. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/agent.h"

namespace portolan::client::web {

struct RealHost {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; a name, or an address without brackets
  std::uint16_t port = 0;
  bool operator==(const RealHost&) const = default;
  auto operator<=>(const RealHost&) const = default;
};

// Reads "https://wiki.corp.example", "http://10.0.0.7:8080", "https://[fd00::7]": a scheme, a host of ASCII, perhaps a
// port, and no more. None for anything else.
std::optional<RealHost> parse_real_host(std::string_view origin);
// The text of an origin, always with its port: "https://wiki.corp.example:443".
std::string to_text(const RealHost& host);

// Of all web resources, in order, each once; what cannot be read is left out.
std::vector<RealHost> real_hosts(const std::vector<api::AgentResource>& resources);

}  // namespace portolan::client::web
