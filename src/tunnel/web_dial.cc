#include "tunnel/web_dial.h"

#include <arpa/inet.h>

#include "base/file.h"
#include "net/http/websocket.h"
#include "net/tls.h"

namespace portolan::tunnel {
namespace {

using StreamResult = Result<std::unique_ptr<net::Stream>>;
using Milliseconds = std::chrono::milliseconds;

bool is_address(const std::string& host) {
  in6_addr ignored{};
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// The outer TLS hides that these are links and lets proxies pass them; no ALPN is offered, since not every proxy that
// inspects TLS answers it.
Result<std::shared_ptr<const net::TlsClient>> outer_tls(const std::string& host, const std::filesystem::path& ca_file) {
  net::TlsClientOptions options;
  options.versions = net::TlsVersions::k12And13;
  options.system_trust = true;
  options.verify_host = host;
  if (!is_address(host)) options.server_name = host;
  if (!ca_file.empty()) {
    const auto added = [&]() -> Result<> {
      PL_TRY(const auto pem, read_file(ca_file, 1024 * 1024));
      PL_TRY(options.trust, crypto::Certificate::all_from_pem(pem));
      return {};
    }();
    if (!added) return std::unexpected(Error(added.error()).within("authorities in " + quoted(ca_file.string())));
  }
  return net::TlsClient::make(std::move(options));
}

// Each stage may take all of the time; the whole has one limit.
net::Task<StreamResult> dial(net::Endpoint to, WebDial how, Milliseconds limit) {
  CO_TRY(const auto tls, outer_tls(to.host, how.ca_file));
  CO_TRY(const auto proxy, net::http::proxy_for(to, how.proxy));
  std::unique_ptr<net::Stream> stream;
  if (proxy) {
    auto reached = co_await net::dial_tcp(proxy->at, limit);
    if (!reached) co_return std::unexpected(std::move(reached).error().within("proxy"));
    CO_TRY(stream, co_await net::http::connect_through(std::move(*reached), *proxy, to, limit));
  } else {
    CO_TRY(stream, co_await net::dial_tcp(to, limit));
  }
  CO_TRY(auto shaken, co_await tls->connect(std::move(stream), limit));
  const std::string host = to.port == 443 ? to_text(to).substr(0, to_text(to).rfind(':')) : to_text(to);
  co_return co_await net::http::connect_websocket(std::move(shaken), host, std::string(kWebPath), limit);
}

}  // namespace

net::Task<StreamResult> dial_web(net::Endpoint to, WebDial how, Milliseconds limit) {
  auto dialled = co_await net::with_timeout(dial(std::move(to), std::move(how), limit), limit);
  co_return dialled;
}

}  // namespace portolan::tunnel
