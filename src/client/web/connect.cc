#include "client/web/connect.h"

#include <arpa/inet.h>

#include <vector>

#include "net/tls.h"

namespace portolan::client::web {
namespace {

using Tunnel = Result<std::unique_ptr<net::Stream>>;

bool is_address(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

Result<std::shared_ptr<const net::TlsServer>> server_for(const std::string& host, const LocalCa& ca) {
  PL_TRY(const auto identity, ca.identity(host));
  std::vector<net::TlsServerPurpose> purposes;
  for (const auto& alpn : {std::vector<std::string>{"http/1.1"}, std::vector<std::string>()}) {
    net::TlsServerPurpose& purpose = purposes.emplace_back();
    purpose.alpn = alpn;
    // Addresses are not asked for by SNI (RFC 6066 §3).
    purpose.server_name = is_address(host) ? "" : host;
    purpose.identity = identity;
  }
  return net::TlsServer::make(std::move(purposes), net::TlsVersions::k12And13);
}

Error explained(Error error, const std::string& host) {
  if (error.reason == net::kRefusedAuthority || error.reason == net::kCertificateRefused)
    error.message += "; it does not trust the certificate authority of this machine, see: portolan web-ca show";
  return std::move(error).within("browser's connection to " + quoted(host, 253));
}

net::Task<Tunnel> shake_hands(std::shared_ptr<const net::TlsServer> server, std::unique_ptr<net::Stream> browser,
                              std::string host, std::chrono::milliseconds limit) {
  auto accepted = co_await server->accept(std::move(browser), limit);
  if (!accepted) co_return std::unexpected(explained(std::move(accepted).error(), host));
  const std::string name = (*accepted)->server_name();
  if (is_address(host) && !name.empty())
    co_return fail(Code::kProtocol,
                   "browser's connection to " + quoted(host, 253) + " asks for " + quoted(name, 253) + " within");
  co_return std::unique_ptr<net::Stream>(std::move(*accepted));
}

net::Task<Tunnel> refuse(Error why) { co_return std::unexpected(std::move(why)); }

}  // namespace

// Not a coroutine: `ca` may be replaced while hands are shaken.
net::Task<Result<std::unique_ptr<net::Stream>>> accept_tls(std::unique_ptr<net::Stream> browser, std::string host,
                                                           const LocalCa& ca, std::chrono::milliseconds limit) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto server = server_for(host, ca);
  if (!server) return refuse(std::move(server).error());
  return shake_hands(std::move(*server), std::move(browser), std::move(host), limit);
}

}  // namespace portolan::client::web
