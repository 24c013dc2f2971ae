// Calls go over one connection that is kept, one after another; each watch has a connection of its own, so that a call
// never waits behind an endless answer. Whatever keeps an answer from coming (name, TCP, TLS, time, an early end) is
// one thing to the caller: the control plane could not be reached.
#include "api/client.h"

#include <algorithm>

#include <arpa/inet.h>

#include <charconv>

#include "base/clock.h"

namespace portolan::api {
namespace {

using net::Task;
namespace http = net::http;

constexpr std::size_t kProblemLimit = 64 * 1024;
constexpr auto kLongestWait = std::chrono::seconds(10);

bool is_address(const std::string& host) {
  in6_addr any{};
  return ::inet_pton(AF_INET, host.c_str(), &any) == 1 || ::inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

// How connections are made, and why the last one could not be.
struct Way {
  std::shared_ptr<const net::TlsClient> tls;
  net::Endpoint endpoint;
  ControlLimits limits;
  std::optional<Error> failure = {};
};

Task<Result<std::unique_ptr<net::TlsStream>>> connect(std::shared_ptr<const net::TlsClient> tls, net::Endpoint endpoint,
                                                      std::chrono::milliseconds limit) {
  CO_TRY(auto tcp, co_await net::dial_tcp(endpoint, limit));
  co_return co_await tls->connect(std::move(tcp), limit);
}

Task<Result<std::unique_ptr<net::Stream>>> connect_by(std::shared_ptr<Way> way) {
  way->failure.reset();
  const auto limit = way->limits.connect;
  auto stream = co_await net::with_timeout(connect(way->tls, way->endpoint, limit), limit);
  if (!stream) {
    if (stream.error().code != Code::kCancelled) way->failure = stream.error();
    co_return std::unexpected(std::move(stream).error());
  }
  co_return std::unique_ptr<net::Stream>(std::move(*stream));
}

std::unexpected<Error> unreachable(const net::Endpoint& endpoint, Error error) {
  if (error.code == Code::kCancelled) return std::unexpected(std::move(error));
  error.code = Code::kUnavailable;
  error.hop = Hop::kControlPlane;
  if (error.reason == net::kUnknownAuthority || error.reason == net::kRefusedAuthority)
    error.message += error.reason == net::kUnknownAuthority
                         ? "; its server CA may have been replaced while this machine was away"
                         : "; the authority of this machine's certificate may have been replaced while it was away";
  if (error.reason == net::kUnknownAuthority || error.reason == net::kRefusedAuthority)
    error.message +=
        ": a node joins again with a new token (portolan admin nodes token create), a person signs in again with "
        "--ca-sha256 (the operator sees it by `portolan admin keys list`)";
  return std::unexpected(std::move(error).within("could not reach the control plane at " + net::to_text(endpoint)));
}

// The error of a call that brought no answer.
std::unexpected<Error> no_answer(Way& way, Error error) {
  if (way.failure) return unreachable(way.endpoint, *std::exchange(way.failure, std::nullopt));
  switch (error.code) {
    case Code::kTimeout:
    case Code::kEof:
    case Code::kIo:
    case Code::kUnavailable:
    case Code::kCancelled: return unreachable(way.endpoint, std::move(error));
    default:  // it was reached, and did what it must not: an answer that is too large, or not HTTP
      return std::unexpected(
          std::move(error).within("control plane at " + net::to_text(way.endpoint)).at(Hop::kControlPlane));
  }
}

// Of an answer that says when to come again, if that is worth waiting for.
std::optional<std::chrono::milliseconds> asked_to_wait(const http::Response& response) {
  const std::string_view text = response.header("retry-after");
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number = error == std::errc() && end == text.data() + text.size();
  if (response.status != 429 || !number || std::chrono::seconds(seconds) > kLongestWait) return std::nullopt;
  return std::chrono::seconds(seconds);
}

Error refusal(const http::Response& response) { return http::error_from(response).at(Hop::kControlPlane); }

// A connection to the public name of an endpoint.
net::TlsClientOptions public_name(const net::Endpoint& endpoint) {
  net::TlsClientOptions options;
  options.server_name = is_address(endpoint.host) ? "" : endpoint.host;
  options.verify_host = endpoint.host;
  return options;
}

Result<net::TlsClientOptions> options_for(const ControlAddress& address) {
  net::TlsClientOptions options = public_name(address.endpoint);
  options.trust = address.trust;
  options.tell_trust = !address.trust.empty();
  if (address.identity) {
    if (address.control_name.empty())
      return fail(Code::kInvalid, "control plane: its internal name is not known; sign in or join again");
    options.alpn = {std::string(kControlAlpn)};
    options.identity = address.identity;
    options.server_name = options.verify_host = address.control_name;
  } else {
    options.system_trust = address.system_trust;
  }
  if (options.trust.empty() && !options.system_trust)
    return fail(Code::kInvalid,
                "control plane at " + net::to_text(address.endpoint) + ": no certificate authority to trust is given");
  return options;
}

class HttpControlClient final : public ControlClient {
 public:
  HttpControlClient(std::shared_ptr<Way> way, std::string host, Secret token)
      : token_(std::move(token)), host_(std::move(host)) {
    use(std::move(way));
  }

  Result<> renew(ControlAddress address) override {
    PL_TRY(auto options, options_for(address));
    PL_TRY(auto tls, net::TlsClient::make(std::move(options)));
    use(std::make_shared<Way>(Way{std::move(tls), way_->endpoint, way_->limits}));
    return {};
  }

  Task<Result<std::string>> call(std::string method, std::string path, std::map<std::string, std::string> query,
                                 std::string body) override {
    co_return co_await send(request(std::move(method), std::move(path), std::move(query), std::move(body)));
  }

  Task<Result<std::string>> call_if(std::uint64_t revision, std::string method, std::string path,
                                    std::string body) override {
    auto conditional = request(std::move(method), std::move(path), {}, std::move(body));
    conditional.headers["if-match"] = '"' + std::to_string(revision) + '"';
    co_return co_await send(std::move(conditional));
  }

  Task<Result<std::string>> post_lines(std::string path, std::string lines) override {
    auto posted = request("POST", std::move(path), {}, std::move(lines));
    posted.headers["content-type"] = "application/x-ndjson";
    co_return co_await send(std::move(posted));
  }

  Task<Result<>> watch(std::string path, std::map<std::string, std::string> query,
                       std::function<Result<>(std::string_view line)> on_line) override {
    const auto way = way_;
    const auto http = http_;
    auto lines = co_await http->open(request("GET", std::move(path), std::move(query), ""), way->limits.call);
    if (!lines) co_return no_answer(*way, std::move(lines).error());
    if ((*lines)->head().status != 200) co_return co_await refused_watch(std::move(*lines), way->limits.silence);
    for (;;) {
      auto line = co_await (*lines)->next(way->limits.silence, way->limits.line_bytes);
      if (!line) co_return end_of_watch(*way, std::move(line).error());
      CO_CHECK(on_line(*line));
    }
  }

 private:
  Task<Result<std::string>> send(http::Request asked) {
    const auto way = way_;  // both may be replaced meanwhile
    const auto http = http_;
    auto response = co_await http->request(asked, way->limits.call);
    // A caller that asks too often is refused before anything is done: whatever it was, it may be asked again.
    if (const auto wait = response ? asked_to_wait(*response) : std::nullopt) {
      CO_CHECK(co_await net::sleep_for(*wait));
      response = co_await http->request(asked, way->limits.call);
    }
    if (!response) co_return no_answer(*way, std::move(response).error());
    if (response->status < 200 || response->status > 299) co_return std::unexpected(refusal(*response));
    co_return std::move(response->body);
  }

  http::Request request(std::string method, std::string path, std::map<std::string, std::string> query,
                        std::string body) const {
    http::Request out{std::move(method), std::move(path), std::move(query), {}, std::move(body)};
    out.headers["accept"] = "application/json";
    out.headers["user-agent"] = "portolan/" PORTOLAN_VERSION;
    if (!out.body.empty()) out.headers["content-type"] = "application/json";
    if (!token_.empty()) out.headers["authorization"] = "Bearer " + token_.reveal();
    return out;
  }

  Task<Result<>> refused_watch(std::unique_ptr<http::Lines> lines, std::chrono::milliseconds silence) {
    http::Response response = lines->head();
    while (response.body.size() < kProblemLimit) {
      auto line = co_await lines->next(silence, kProblemLimit);
      if (!line) break;
      response.body += *line + "\n";
    }
    co_return std::unexpected(refusal(response));
  }

  static std::unexpected<Error> end_of_watch(Way& way, Error error) {
    if (error.code == Code::kTimeout) error.message = "silent for " + format_duration(way.limits.silence);
    if (error.code == Code::kEof) error.message = "it ended the connection";
    return no_answer(way, std::move(error));
  }

  void use(std::shared_ptr<Way> way) {
    way_ = std::move(way);
    http_ = std::make_shared<http::Client>([by = way_] { return connect_by(by); }, std::string(host_),
                                           http::Limits{.body_bytes = way_->limits.answer_bytes});
  }

  const Secret token_;
  const std::string host_;
  std::shared_ptr<Way> way_;
  std::shared_ptr<http::Client> http_;
};

// For first contact only: shows what is there and proves nothing.
net::TlsClientOptions unproven(const net::Endpoint& endpoint) {
  net::TlsClientOptions options = public_name(endpoint);
  options.verify_host.clear();
  options.verify_chain = false;
  return options;
}

Task<Result<Trust>> ask_for_trust(net::Endpoint endpoint, net::TlsClientOptions options) {
  CO_TRY(auto tls, net::TlsClient::make(std::move(options)));
  const auto way = std::make_shared<Way>(Way{std::move(tls), endpoint, {}});
  HttpControlClient client(way, net::to_text(endpoint), Secret());
  co_return co_await client.get<Trust>("/v1/trust");
}

// Of the authorities that the trust names (several while the server CA is rotated), the one with this fingerprint.
Result<crypto::Certificate> authority_of(const Trust& trust, const std::string& ca_sha256,
                                         const net::Endpoint& endpoint) {
  const auto all = crypto::Certificate::all_from_pem(trust.server_ca);
  const auto authority = all ? std::ranges::find(*all, ca_sha256, &crypto::Certificate::fingerprint)
                             : std::vector<crypto::Certificate>::const_iterator();
  if (!all || authority == all->end())
    return fail(Code::kDenied,
                "control plane at " + net::to_text(endpoint) +
                    ": its certificate authority is not the expected one (SHA-256 " + ca_sha256 +
                    "); somebody may be in between, the fingerprint may be another control plane's, or the server CA "
                    "was replaced: ask the operator for the one that `portolan admin keys list` shows",
                "untrusted_control_plane");
  return *authority;
}

std::string normal_fingerprint(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ':') out += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

Result<std::unique_ptr<ControlClient>> ControlClient::make(ControlAddress address, Secret bearer_token,
                                                           ControlLimits limits) {
  PL_TRY(auto options, options_for(address));
  PL_TRY(auto tls, net::TlsClient::make(std::move(options)));
  std::string host = address.identity ? address.control_name : net::to_text(address.endpoint);
  auto way = std::make_shared<Way>(Way{std::move(tls), std::move(address.endpoint), limits});
  return std::make_unique<HttpControlClient>(std::move(way), std::move(host), std::move(bearer_token));
}

Task<Result<std::string>> ControlClient::post_lines(std::string, std::string) {
  co_return fail(Code::kInternal, "this client cannot send lines");
}

Task<Result<std::string>> ControlClient::call_if(std::uint64_t, std::string, std::string, std::string) {
  co_return fail(Code::kInternal, "this client asks for nothing under conditions");
}

Task<Result<std::string>> ControlClient::change(std::string method, std::string path, std::string body,
                                                std::optional<std::uint64_t> revision) {
  if (revision) co_return co_await call_if(*revision, std::move(method), std::move(path), std::move(body));
  co_return co_await call(std::move(method), std::move(path), {}, std::move(body));
}

Task<Result<>> ControlClient::remove(std::string path, std::optional<std::uint64_t> revision) {
  const auto answer = co_await change("DELETE", std::move(path), "", revision);
  if (!answer) co_return std::unexpected(answer.error());
  co_return Result<>{};
}

Task<Result<std::vector<crypto::Certificate>>> look_at_certificate(net::Endpoint endpoint) {
  CO_TRY(auto tls, net::TlsClient::make(unproven(endpoint)));
  const auto limit = ControlLimits().connect;
  auto stream = co_await net::with_timeout(connect(std::move(tls), endpoint, limit), limit);
  if (!stream) co_return unreachable(endpoint, std::move(stream).error());
  co_return (*stream)->shown_chain();
}

Task<Result<Trust>> fetch_trust(net::Endpoint endpoint, std::string ca_sha256) {
  ca_sha256 = normal_fingerprint(ca_sha256);
  // Of this first answer, which anybody in between could have given, nothing is taken but the authority with that
  // fingerprint.
  CO_TRY(const Trust hearsay, co_await ask_for_trust(endpoint, unproven(endpoint)));
  CO_TRY(const crypto::Certificate authority, authority_of(hearsay, ca_sha256, endpoint));
  auto proven = public_name(endpoint);
  proven.trust = {authority};
  proven.tell_trust = true;
  CO_TRY(Trust trust, co_await ask_for_trust(endpoint, std::move(proven)));
  CO_CHECK(authority_of(trust, ca_sha256, endpoint));
  trust.server_ca_sha256 = ca_sha256;
  co_return trust;
}

}  // namespace portolan::api
