// A path to a gateway over WebSocket (docs/wire.md, "Links over WebSocket"): a TCP connection or one through an HTTP
// proxy, TLS that the machine's own trust store vouches for, and the upgrade. The link itself, with its own TLS, runs
// inside: whoever is trusted here, a company's inspecting proxy among them, sees ciphertext.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string_view>

#include "net/http/proxy.h"
#include "net/stream.h"
#include "net/tcp.h"

namespace portolan::tunnel {

// What the gateway serves.
inline constexpr std::string_view kWebPath = "/portolan/link";

struct WebDial {
  std::filesystem::path ca_file = {};  // authorities to trust beside the system's, PEM; empty: none
  net::http::ProxyEnvironment proxy = net::http::ProxyEnvironment::read();
};

// All of it within `limit`. Errors name the stage that failed.
net::Task<Result<std::unique_ptr<net::Stream>>> dial_web(net::Endpoint to, WebDial how,
                                                         std::chrono::milliseconds limit);

}  // namespace portolan::tunnel
