#include "protocols/http/application.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace portolan::protocols::http {
namespace {

constexpr std::string_view kH2 = "h2";
constexpr std::string_view kH1 = "http/1.1";

// An alert about our certificate says nothing of whose it is, or of what is to be done.
Error explain(Error error, bool shows_certificate) {
  const bool about_it = error.reason == net::kCertificateRefused || error.reason == net::kRefusedAuthority;
  if (!shows_certificate || !about_it) return error;
  error.message =
      "the application refuses the certificate that the resource has for it (tls_certificate): " + error.message;
  error.reason = "client_certificate";
  return error;
}

}  // namespace

std::unexpected<Error> Application::failed(Error error) const {
  if (!way_.resource.empty()) error = std::move(error).within(fmt::format("reach resource {}", quoted(way_.resource)));
  return std::unexpected(std::move(error).at(Hop::kResource));
}

net::Task<Result<Application::Leg>> Application::protect(std::unique_ptr<net::Stream> raw, const Host& host,
                                                         std::vector<std::string> alpn) {
  const std::string key = fmt::format("{} {}", host.label, fmt::join(alpn, " "));
  auto& client = tls_[key];
  if (!client) {
    CO_TRY(auto options, tls_options(way_.options, way_.settings, host, way_.tls_key));
    options.alpn = std::move(alpn);
    CO_TRY(client, net::TlsClient::make(std::move(options)));
  }
  const auto held = client;
  CO_TRY(auto stream, co_await held->connect(std::move(raw), way_.limit));
  std::string chosen = stream->alpn();
  co_return Leg{std::move(stream), std::move(chosen)};
}

net::Task<Result<Application::Leg>> Application::reach(const Host& host, For purpose) {
  const Options& options = way_.options;
  const bool tls = options.tls != TlsMode::kDisable;
  std::vector<std::string> alpn;
  if (purpose == For::kRequests && options.http_version == HttpVersion::k2) alpn = {std::string(kH2)};
  if (purpose == For::kRequests && options.http_version == HttpVersion::kAuto && !no_alpn_)
    alpn = {std::string(kH2), std::string(kH1)};
  auto raw = co_await way_.dial(host.dial);
  if (!raw) co_return std::unexpected(std::move(raw).error().at(Hop::kResource));
  if (!tls) {
    // Without TLS nothing tells: HTTP/2 is spoken where the settings say so (RFC 9113 §3.3).
    const bool prior = purpose == For::kRequests && options.http_version == HttpVersion::k2;
    co_return Leg{std::move(*raw), std::string(prior ? kH2 : kH1)};
  }
  auto leg = co_await protect(std::move(*raw), host, alpn);
  if (!leg && leg.error().reason == net::kNoAlpn && options.http_version == HttpVersion::kAuto) {
    // Servers that know nothing of ALPN speak HTTP/1.1.
    no_alpn_ = true;
    raw = co_await way_.dial(host.dial);
    if (!raw) co_return std::unexpected(std::move(raw).error().at(Hop::kResource));
    leg = co_await protect(std::move(*raw), host, {});
  }
  if (!leg) co_return failed(explain(std::move(leg).error(), way_.settings.contains("tls_certificate")));
  co_return leg;
}

net::Task<Result<std::unique_ptr<Connection>>> Application::connect(const Host& host, For purpose) {
  CO_TRY(Leg leg, co_await reach(host, purpose));
  co_return leg.alpn == kH2 ? over_http2(std::move(leg.stream)) : over_http1(std::move(leg.stream));
}

std::unique_ptr<Connection> Application::take_kept(const Host& host) {
  const auto found = kept_.find(host.label);
  if (found == kept_.end()) return nullptr;
  auto connection = std::move(found->second);
  kept_.erase(found);
  return connection->usable() ? std::move(connection) : nullptr;
}

void Application::keep(const Host& host, std::unique_ptr<Connection> connection) {
  if (connection && connection->usable()) kept_[host.label] = std::move(connection);
}

}  // namespace portolan::protocols::http
