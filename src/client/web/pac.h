// The proxy auto-config file, for applications that must be asked by their own name: it sends to the web proxy what is
// theirs, and nothing else. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "api/agent.h"
#include "net/tcp.h"

namespace portolan::client::web {

inline constexpr std::string_view kPacType = "application/x-ns-proxy-autoconfig";

// A script with FindProxyForURL: "PROXY host:port" for exactly the scheme, host and port of each web resource's hosts
// (a WebSocket counts as the scheme that it is asked by), "DIRECT" for everything else. There is no second choice
// where the proxy is away: names of a private network are not to be asked for elsewhere.
std::string pac_file(const std::vector<api::AgentResource>& resources, const net::Endpoint& proxy);

// A text as a string of JavaScript, with its quotes: ASCII, and safe in a script within HTML, too. Bytes that are no
// ASCII become \u00XX each.
std::string js_string(std::string_view text);

}  // namespace portolan::client::web
