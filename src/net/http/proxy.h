// HTTP proxies on the way out: which one, if any, by the environment, and a connection through it by CONNECT (RFC 9110
// §9.3.6).
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "net/stream.h"
#include "net/tcp.h"

namespace portolan::net::http {

// What the environment says, as the variables have it.
struct ProxyEnvironment {
  Secret proxy = {};      // https_proxy, else HTTPS_PROXY; may hold a password
  std::string none = {};  // no_proxy, else NO_PROXY
  static ProxyEnvironment read();
};

struct HttpProxy {
  Endpoint at;
  std::optional<Secret> authorization = {};  // "Basic …"
};

// The proxy for connections to `to`; none: they are made directly, as all within this machine. The proxy is
// "http://[USER:PASSWORD@]HOST[:PORT]", with or without its scheme; port 80 unless it says another. Code::kInvalid,
// without the text, for any other. no_proxy: a list of "*", names (which stand for themselves and all below them),
// addresses, and networks like 10.0.0.0/8; a name or address may have a port.
Result<std::optional<HttpProxy>> proxy_for(const Endpoint& to, const ProxyEnvironment& environment);

// Asks the proxy, to which `below` is a connection, for one to `to`, within `limit`. Errors say the proxy's status.
Task<Result<std::unique_ptr<Stream>>> connect_through(std::unique_ptr<Stream> below, HttpProxy proxy, Endpoint to,
                                                      std::chrono::milliseconds limit);

}  // namespace portolan::net::http
