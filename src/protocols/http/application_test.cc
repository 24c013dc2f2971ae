#include "protocols/http/application.h"

#include <deque>

#include <gtest/gtest.h>

#include "net/test_tls.h"

namespace portolan::protocols::http {
namespace {

using namespace std::chrono_literals;
using net::testing::Pki;

// An application with TLS, reached once.
struct Reached {
  std::string version;  // of HTTP
  std::optional<Error> error;
};

net::Task<Reached> reach(const Pki& pki, std::vector<std::string> alpn, Settings settings, Application::For purpose) {
  const auto executor = co_await net::this_executor();
  net::TlsServerPurpose served;
  served.alpn = std::move(alpn);
  served.identity = pki.server();
  std::vector<net::TlsServerPurpose> purposes;
  purposes.push_back(std::move(served));
  const auto server = net::TlsServer::make(std::move(purposes));
  if (!server) co_return Reached{{}, server.error()};
  net::TaskGroup group(executor);
  std::deque<Result<std::unique_ptr<net::TlsStream>>> accepted;
  const Dial dial = [&](std::size_t) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
    auto [ours, theirs] = net::memory_pair(executor);
    auto& noted = accepted.emplace_back(fail(Code::kInternal, "not tried"));
    group.spawn("accept", net::testing::accept_and_note(*server, std::move(theirs), noted));
    co_return std::move(ours);
  };
  settings.try_emplace("host_header", "cp.example");
  const auto options = parse_options(settings);
  if (!options) co_return Reached{{}, options.error()};
  const auto hosts = hosts_of_application(*options, {{"10.0.0.1", 443}});
  const Secret no_key;
  Application application({"wiki", *options, settings, no_key, dial, 5s});
  const auto connection = co_await application.connect(hosts->front(), purpose);
  co_await group.join();
  if (!connection) co_return Reached{{}, connection.error()};
  co_return Reached{std::string((*connection)->version()), {}};
}

CO_TEST(HttpApplication, TheServerChoosesTheVersion) {
  const Pki pki;
  const Settings settings = {{"tls", "verify-full"}, {"tls_ca", pki.servers.certificate().pem()}};
  const auto requests = Application::For::kRequests;
  auto reached = co_await reach(pki, {"h2", "http/1.1"}, settings, requests);
  EXPECT_EQ(reached.version, "2") << (reached.error ? reached.error->message : "");
  reached = co_await reach(pki, {"http/1.1"}, settings, requests);
  EXPECT_EQ(reached.version, "1.1") << (reached.error ? reached.error->message : "");
  // A WebSocket goes by HTTP/1.1, and without ALPN.
  reached = co_await reach(pki, {}, settings, Application::For::kWebSocket);
  EXPECT_EQ(reached.version, "1.1") << (reached.error ? reached.error->message : "");
  Settings old = settings;
  old["http_version"] = "1.1";
  reached = co_await reach(pki, {}, old, requests);
  EXPECT_EQ(reached.version, "1.1") << (reached.error ? reached.error->message : "");
}

CO_TEST(HttpApplication, WhoIsNotProvenIsNotAsked) {
  const Pki pki;
  const Pki others;
  const std::string ca = pki.servers.certificate().pem();
  const auto requests = Application::For::kRequests;
  auto reached =
      co_await reach(pki, {"h2"}, {{"tls", "verify-full"}, {"tls_ca", ca}, {"host_header", "wiki.example"}}, requests);
  CO_ASSERT_TRUE(reached.error.has_value());
  EXPECT_EQ(reached.error->hop, Hop::kResource);
  EXPECT_EQ(reached.error->reason, "tls_name");
  reached =
      co_await reach(pki, {"h2"}, {{"tls", "verify-ca"}, {"tls_ca", others.servers.certificate().pem()}}, requests);
  CO_ASSERT_TRUE(reached.error.has_value());
  EXPECT_EQ(reached.error->reason, net::kUnknownAuthority);
  // Neither name nor authority matter where the settings say so.
  reached = co_await reach(pki, {"h2"}, {{"tls", "require"}, {"host_header", "wiki.example"}}, requests);
  EXPECT_EQ(reached.version, "2") << (reached.error ? reached.error->message : "");
  reached = co_await reach(
      pki, {"h2"},
      {{"tls", "verify-full"}, {"tls_ca", ca}, {"tls_server_name", "cp.example"}, {"host_header", "wiki.example"}},
      requests);
  EXPECT_EQ(reached.version, "2") << (reached.error ? reached.error->message : "");
}

}  // namespace
}  // namespace portolan::protocols::http
