#include "update/source.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "net/http/target.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "update/envelope.h"

namespace portolan::update {
namespace {

constexpr auto kDocumentLimit = std::chrono::seconds(30);
constexpr auto kHeadLimit = std::chrono::seconds(30);

bool is_this_machine(const std::string& host) { return host == "localhost" || host == "::1" || host == "127.0.0.1"; }

bool is_address(const std::string& host) {
  return host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
}

net::Task<Result<std::unique_ptr<net::Stream>>> dial(Url url, std::shared_ptr<const net::TlsClient> tls,
                                                     std::chrono::milliseconds limit) {
  CO_TRY(auto tcp, co_await net::dial_tcp({url.host, url.port}, limit));
  if (!tls) co_return std::move(tcp);
  CO_TRY(auto secured, co_await tls->connect(std::move(tcp), limit));
  co_return std::move(secured);
}

Result<std::shared_ptr<const net::TlsClient>> tls_for(const SourceOptions& options) {
  if (!options.url.tls) return nullptr;
  net::TlsClientOptions tls;
  // Any static web server will do, also one that knows no ALPN: HTTP/1.1 is then what it speaks.
  tls.versions = net::TlsVersions::k12And13;
  tls.system_trust = true;
  if (!options.ca_pem.empty()) {
    PL_TRY(tls.trust, crypto::Certificate::all_from_pem(options.ca_pem));
  }
  if (!is_address(options.url.host)) tls.server_name = options.url.host;
  tls.verify_host = options.url.host;
  return net::TlsClient::make(std::move(tls));
}

// Refused as early as its head tells.
net::http::Limits limits() {
  net::http::Limits limits;
  limits.body_bytes = std::max(kRootLimit, kManifestLimit);
  return limits;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::kInvalid, fmt::format("bad address of downloads {}: {}", quoted(text), why));
  };
  Url out;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    out.tls = false;
  } else {
    return wrong("must begin with https://");
  }
  const auto slash = std::min(rest.find('/'), rest.size());
  const std::string_view prefix = rest.substr(slash);
  auto endpoint = net::parse_endpoint(rest.substr(0, slash), out.tls ? 443 : 80);
  if (!endpoint || endpoint->host.empty() || endpoint->host.find('@') != std::string::npos)
    return wrong("no host and port");
  out.host = std::move(endpoint->host);
  out.port = endpoint->port;
  if (prefix.size() > 1) {
    const auto target = net::http::parse_target(prefix);
    if (!target || !target->query.empty() || target->path != prefix) return wrong("a path that is not plain");
    out.prefix = prefix.ends_with('/') ? prefix.substr(0, prefix.size() - 1) : prefix;
  }
  if (!out.tls && !is_this_machine(out.host)) return wrong("without TLS only on this machine");
  return out;
}

std::string to_text(const Url& url) {
  return fmt::format("{}://{}{}", url.tls ? "https" : "http", net::to_text(net::Endpoint{url.host, url.port}),
                     url.prefix);
}

Source::Source(net::http::Connect connect, std::string host, std::string prefix)
    : host_(std::move(host)), prefix_(std::move(prefix)), documents_(std::move(connect), host_, limits()) {}

Result<std::unique_ptr<Source>> Source::make(SourceOptions options) {
  PL_TRY(auto tls, tls_for(options));
  auto connector = [url = options.url, tls = std::move(tls), limit = options.connect_limit] {
    return dial(url, tls, limit);
  };
  const bool usual = options.url.port == (options.url.tls ? 443 : 80);
  std::string host = net::to_text(net::Endpoint{options.url.host, options.url.port});
  if (usual) host.erase(host.rfind(':'));
  return std::make_unique<Source>(std::move(connector), std::move(host), options.url.prefix);
}

net::Task<Result<std::optional<std::string>>> Source::document(std::string path, std::size_t limit) {
  net::http::Request request;
  request.path = prefix_ + "/" + path;
  auto answer = co_await documents_.request(std::move(request), kDocumentLimit);
  if (!answer) co_return std::unexpected(std::move(answer).error());
  if (answer->status == 404) co_return std::nullopt;
  if (answer->status != 200)
    co_return fail(Code::kUnavailable, fmt::format("{} answers {} to /{}", host_, answer->status, path));
  if (answer->body.size() > limit)
    co_return fail(Code::kLimit, fmt::format("{} gives more than {} bytes for /{}", host_, limit, path));
  co_return std::move(answer->body);
}

net::Task<Result<std::unique_ptr<net::http::Pieces>>> Source::file(std::string path, std::uint64_t offset) {
  net::http::Request request;
  request.path = prefix_ + "/" + path;
  // As it is: what is counted and hashed are the bytes of the file.
  request.headers["accept-encoding"] = "identity";
  if (offset > 0) request.headers["range"] = fmt::format("bytes={}-", offset);
  CO_TRY(auto pieces, co_await documents_.open_pieces(std::move(request), kHeadLimit));
  const int status = pieces->head().status;
  if (status == 404) co_return fail(Code::kNotFound, fmt::format("{} has no /{}", host_, path));
  if (status != 200 && status != 206 && status != 416)
    co_return fail(Code::kUnavailable, fmt::format("{} answers {} to /{}", host_, status, path));
  co_return std::move(pieces);
}

}  // namespace portolan::update
