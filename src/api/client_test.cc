// The client against a small control plane on loopback: real TCP, TLS and HTTP, certificates of its own authorities.
#include "api/client.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/event.h"
#include "net/http/server.h"

namespace portolan::api {
namespace {

using namespace std::chrono_literals;
using crypto::Authority;
using crypto::Profile;
using net::Executor;
using net::Task;
using ::testing::HasSubstr;
namespace http = net::http;

constexpr std::string_view kControlName = "control.acme.internal";
constexpr std::string_view kUserName = "spiffe://acme/user/a-ann/device/d-laptop";

Authority authority(Profile profile) {
  return Authority::create("test", profile, Clock::real().wall(), std::chrono::hours(1));
}

net::TlsIdentity identity_of(const Authority& by, crypto::CertificateRequest request) {
  auto key = std::make_shared<const crypto::PrivateKey>(crypto::PrivateKey::generate());
  request.profile = by.profile();
  request.key = key->public_key();
  auto leaf = by.issue(request, Clock::real().wall());
  EXPECT_TRUE(leaf) << net::testing::describe_failure(leaf);
  return {{*leaf, by.certificate()}, std::move(key)};
}

crypto::CertificateRequest names(std::vector<std::string> dns, std::vector<std::string> addresses) {
  return {.profile = Profile::kServer,
          .key = crypto::PublicKey(nullptr),
          .common_name = "test",
          .dns_names = std::move(dns),
          .addresses = std::move(addresses)};
}

http::Response json_of(const std::map<std::string, std::string>& members) {
  return http::json_response(200, json::encode(members));
}

// What was asked, and by whom.
Task<http::Response> echo(http::Call call) {
  const auto& certificate = call.connection->certificate;
  co_return json_of({{"method", call.request.method},
                     {"path", call.request.path},
                     {"body", call.request.body},
                     {"x", call.request.parameter("x").value_or("")},
                     {"authorization", std::string(call.request.header("authorization"))},
                     {"content-type", std::string(call.request.header("content-type"))},
                     {"host", std::string(call.request.header("host"))},
                     {"alpn", call.connection->alpn},
                     {"server_name", call.connection->server_name},
                     {"certificate", certificate ? certificate->identity().value_or("") : ""}});
}

Task<http::Response> refuse(http::Call) {
  co_return http::problem(Error{Code::kDenied, "ann@example.com may not use \"billing\"", "no_grant", Hop::kUnknown});
}

Task<http::Response> too_many(std::string wait) {
  auto response = http::problem(429, "rate_limited", "too many requests");
  if (!wait.empty()) response.headers["retry-after"] = std::move(wait);
  co_return response;
}

Task<http::Response> lease(http::Call call) {
  Lease made;
  made.id = "l-1";
  json::Value value = json::to_value(made);
  if (call.request.parameter("more")) value.get_object()["recording"] = "full";
  co_return http::json_response(200, json::print(value));
}

Task<http::Response> trust(Trust answer) { co_return http::json_response(200, json::encode(answer)); }
Task<http::Response> huge(http::Call) { co_return http::json_response(200, std::string(3000, ' ')); }

Task<Result<>> watch_three(http::Call call, http::Sink& sink) {
  CO_CHECK(co_await sink.begin(http::Response{200, {{"content-type", "application/json"}}, {}}));
  CO_CHECK(co_await sink.send("{\"n\":1}\n{\"n\""));
  CO_CHECK(co_await sink.send(":2}\n"));
  CO_CHECK(co_await sink.send("{\"n\":3}\n"));
  if (call.request.parameter("long")) co_return co_await sink.send(std::string(5000, 'x') + "\n");
  if (call.request.parameter("stay")) co_return co_await sink.closed();
  co_return Result<>{};
}

Task<Result<>> watch_refused(http::Call, http::Sink& sink) {
  auto answer = http::problem(Error{Code::kUnauthenticated, "the sign-in has ended", "signed_out", Hop::kUnknown});
  const std::string body = std::exchange(answer.body, {});
  CO_CHECK(co_await sink.begin(std::move(answer)));
  co_return co_await sink.send(body);
}

class Server {
 public:
  explicit Server(const Executor& executor) : tasks_(executor) {
    router.add("GET", "/v1/echo", echo);
    router.add("POST", "/v1/echo", echo);
    router.add("PATCH", "/v1/echo", echo);
    router.add("DELETE", "/v1/echo", echo);
    router.add("GET", "/v1/refuse", refuse);
    router.add("POST", "/v1/leases", lease);
    router.add("GET", "/v1/huge", huge);
    router.add_stream("GET", "/v1/watch", watch_three);
    router.add_stream("GET", "/v1/watch-refused", watch_refused);
    router.add("GET", "/v1/trust", [this](http::Call) { return trust(shown); });
  }

  // Public name without a client certificate; internal name with one of the user CA.
  void listen(const net::TlsIdentity& public_identity) {
    net::TlsServerPurpose open, internal;
    open.identity = public_identity;
    internal.alpn = {std::string(kControlAlpn)};
    internal.server_name = kControlName;
    internal.identity = identity_of(server_ca, names({std::string(kControlName)}, {}));
    internal.require_client_certificate = true;
    internal.client_trust = {user_ca.certificate()};
    auto made = net::TlsServer::make({internal, open});
    EXPECT_TRUE(made) << net::testing::describe_failure(made);
    tls_ = *made;
    auto listening =
        net::listen_tcp(tasks_.executor(), {"127.0.0.1", 0}, [this](std::unique_ptr<net::TcpStream> stream) {
          ++connections;
          tasks_.spawn("connection", serve(std::move(stream)));
        });
    EXPECT_TRUE(listening) << net::testing::describe_failure(listening);
    listener_ = std::move(*listening);
    shown = {.organization = "acme",
             .server_ca = server_ca.certificate().pem(),
             .server_ca_sha256 = server_ca.certificate().fingerprint(),
             .control_name = std::string(kControlName),
             .version = "0.1.0"};
  }
  void listen() { listen(identity_of(server_ca, names({"localhost"}, {"127.0.0.1"}))); }

  net::Endpoint endpoint() const { return {"127.0.0.1", listener_->local().port}; }
  ControlAddress address() const {
    return {.endpoint = endpoint(), .trust = {server_ca.certificate()}, .control_name = {}, .identity = {}};
  }
  ControlAddress internal_address() const {
    auto out = address();
    out.control_name = kControlName;
    out.identity = identity_of(
        user_ca, {.key = crypto::PublicKey(nullptr), .common_name = "ann", .uris = {std::string(kUserName)}});
    return out;
  }
  Task<> stop() {
    listener_.reset();
    tasks_.cancel();
    co_await tasks_.join();
  }

  const Authority server_ca = authority(Profile::kServer);
  const Authority user_ca = authority(Profile::kUser);
  http::Router router;
  http::ServerOptions options;
  Trust shown;
  int connections = 0;

 private:
  Task<> serve(std::unique_ptr<net::Stream> stream) {
    auto tls = co_await tls_->accept(std::move(stream), 5s);
    if (!tls) co_return;
    http::Connection connection{.peer = "127.0.0.1",
                                .certificate = (*tls)->peer(),
                                .server_name = (*tls)->server_name(),
                                .alpn = (*tls)->alpn()};
    co_await http::serve_connection(std::move(*tls), std::move(connection), router, options);
  }

  std::shared_ptr<const net::TlsServer> tls_;
  std::unique_ptr<net::Listener> listener_;
  net::TaskGroup tasks_;
};

using Members = std::map<std::string, std::string>;

std::unique_ptr<ControlClient> client_for(ControlAddress address, ControlLimits limits = {}) {
  auto made = ControlClient::make(std::move(address), Secret("tok-1"), limits);
  EXPECT_TRUE(made) << net::testing::describe_failure(made);
  return made ? std::move(*made) : nullptr;
}

// The unreachable control plane is the same to the caller, whatever the cause.
void expect_unreachable(const Error& error, const net::Endpoint& endpoint, std::string_view cause) {
  EXPECT_EQ(error.code, Code::kUnavailable) << error.message;
  EXPECT_EQ(error.hop, Hop::kControlPlane);
  EXPECT_THAT(error.message, HasSubstr("could not reach the control plane at " + net::to_text(endpoint) + ": "));
  EXPECT_THAT(error.message, HasSubstr(cause));
}

CO_TEST(ControlClient, CallsOverOneConnection) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address());
  const auto got = co_await client->get<Members>("/v1/echo", {{"x", "a b&c"}});
  CO_ASSERT_OK(got);
  EXPECT_EQ(got->at("x"), "a b&c");
  EXPECT_EQ(got->at("authorization"), "Bearer tok-1");
  EXPECT_EQ(got->at("content-type"), "");
  const auto posted = co_await client->post<Members>("/v1/echo", RoleCreate{.name = "dba"});
  CO_ASSERT_OK(posted);
  EXPECT_EQ(posted->at("body"), R"({"name":"dba"})");
  EXPECT_EQ(posted->at("content-type"), "application/json");
  const auto patched = co_await client->patch<Members>("/v1/echo", RoleCreate{.name = "ops"});
  CO_ASSERT_OK(patched);
  EXPECT_EQ(patched->at("method"), "PATCH");
  const auto removed = co_await client->remove("/v1/echo");
  CO_ASSERT_OK(removed);
  EXPECT_EQ(server.connections, 1);
  co_await server.stop();
}

CO_TEST(ControlClient, ShowsItsCertificateToTheInternalName) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.internal_address());
  const auto got = co_await client->get<Members>("/v1/echo");
  CO_ASSERT_OK(got);
  EXPECT_EQ(got->at("certificate"), kUserName);
  EXPECT_EQ(got->at("alpn"), kControlAlpn);
  EXPECT_EQ(got->at("server_name"), kControlName);
  EXPECT_EQ(got->at("host"), kControlName);
  co_await server.stop();
}

CO_TEST(ControlClient, AProblemBecomesItsError) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address());
  const auto refused = co_await client->get<Members>("/v1/refuse");
  CO_ASSERT_ERROR(refused, Code::kDenied);
  EXPECT_EQ(refused.error().message, "ann@example.com may not use \"billing\"");
  EXPECT_EQ(refused.error().stable_code(), "no_grant");
  EXPECT_EQ(refused.error().hop, Hop::kControlPlane);
  const auto unknown = co_await client->remove("/v1/nowhere");
  CO_ASSERT_ERROR(unknown, Code::kNotFound);
  EXPECT_EQ(server.connections, 1);
  co_await server.stop();
}

CO_TEST(ControlClient, WaitsOnceWhenItAsksTooOften) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  int asked = 0;
  int refusals = 1;
  std::string wait = "0";
  server.router.add("POST", "/v1/busy", [&](http::Call call) -> Task<http::Response> {
    if (++asked > refusals) return echo(std::move(call));
    return too_many(wait);
  });
  server.listen();
  const auto client = client_for(server.address());
  const auto taken = co_await client->post<Members>("/v1/busy", RoleCreate{.name = "dba"});
  CO_ASSERT_OK(taken);
  EXPECT_EQ(taken->at("body"), R"({"name":"dba"})");
  EXPECT_EQ(asked, 2);
  refusals = 100;
  const auto refused = co_await client->post<Members>("/v1/busy", RoleCreate{.name = "dba"});
  CO_ASSERT_ERROR(refused, Code::kLimit);
  EXPECT_EQ(refused.error().reason, "rate_limited");
  EXPECT_EQ(asked, 4);
  for (const char* later : {"11", "", "soon", "-1"}) {
    wait = later;
    asked = 0;
    const auto at_once = co_await client->post<Members>("/v1/busy", RoleCreate{.name = "dba"});
    CO_ASSERT_ERROR(at_once, Code::kLimit);
    EXPECT_EQ(asked, 1) << later;
  }
  co_await server.stop();
}

CO_TEST(ControlClient, ReadsLeasesStrictly) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address());
  const auto good = co_await client->post<Lease>("/v1/leases", LeaseRequest{});
  CO_ASSERT_OK(good);
  EXPECT_EQ(good->id, "l-1");
  server.router = http::Router();
  server.router.add("POST", "/v1/leases", [](http::Call call) {
    call.request.query["more"] = "1";
    return lease(std::move(call));
  });
  const auto more = co_await client->post<Lease>("/v1/leases", LeaseRequest{});
  CO_ASSERT_ERROR(more, Code::kInvalid);
  EXPECT_EQ(more.error().message, "answer of the control plane: unknown member \"recording\"");
  co_await server.stop();
}

CO_TEST(ControlClient, AnAnswerThatIsTooLarge) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address(), {.answer_bytes = 2000});
  const auto refused = co_await client->get<Members>("/v1/huge");
  CO_ASSERT_ERROR(refused, Code::kLimit);
  EXPECT_EQ(refused.error().hop, Hop::kControlPlane);
  co_await server.stop();
}

CO_TEST(ControlClient, ARefusedPort) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto address = server.address();
  co_await server.stop();
  const auto client = client_for(address);
  const auto answer = co_await client->get<Members>("/v1/echo");
  CO_ASSERT_TRUE(!answer);
  expect_unreachable(answer.error(), address.endpoint, "refused");
  const auto watched = co_await client->watch("/v1/watch", {}, [](std::string_view) { return Result<>{}; });
  CO_ASSERT_TRUE(!watched);
  expect_unreachable(watched.error(), address.endpoint, "refused");
}

CO_TEST(ControlClient, WrongAuthority) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  auto address = server.address();
  address.trust = {authority(Profile::kServer).certificate()};
  const auto client = client_for(address);
  const auto answer = co_await client->get<Members>("/v1/echo");
  CO_ASSERT_TRUE(!answer);
  expect_unreachable(answer.error(), address.endpoint, "");
  auto internal = server.internal_address();
  internal.trust = address.trust;
  const auto other = client_for(internal);
  const auto refused = co_await other->get<Members>("/v1/echo");
  CO_ASSERT_TRUE(!refused);
  expect_unreachable(refused.error(), address.endpoint, "");
  co_await server.stop();
}

CO_TEST(ControlClient, WrongName) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen(identity_of(server.server_ca, names({"other.example"}, {"192.0.2.1"})));
  const auto client = client_for(server.address());
  const auto answer = co_await client->get<Members>("/v1/echo");
  CO_ASSERT_TRUE(!answer);
  expect_unreachable(answer.error(), server.endpoint(), "");
  auto internal = server.internal_address();
  internal.control_name = "control.other.internal";
  const auto other = client_for(internal);
  const auto refused = co_await other->get<Members>("/v1/echo");
  CO_ASSERT_TRUE(!refused);
  expect_unreachable(refused.error(), server.endpoint(), "");
  co_await server.stop();
}

CO_TEST(ControlClient, AStrangersCertificate) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  auto address = server.internal_address();
  address.identity =
      identity_of(authority(Profile::kUser),
                  {.key = crypto::PublicKey(nullptr), .common_name = "eve", .uris = {std::string(kUserName)}});
  const auto client = client_for(address);
  const auto answer = co_await client->get<Members>("/v1/echo");
  // It was reached, and said so under its proven key: trying again is of no use, signing in again is.
  CO_ASSERT_ERROR(answer, Code::kUnauthenticated);
  EXPECT_EQ(answer.error().hop, Hop::kControlPlane);
  EXPECT_FALSE(answer.error().retry_can_help());
  co_await server.stop();
}

TEST(ControlClient, RefusesToBelieveAnybody) {
  const auto made =
      ControlClient::make({.endpoint = {"127.0.0.1", 1}, .trust = {}, .control_name = {}, .identity = {}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kInvalid);
  // The machine's own authorities say nothing about the internal name.
  const auto user_ca = authority(Profile::kUser);
  ControlAddress internal{.endpoint = {"127.0.0.1", 1},
                          .trust = {},
                          .control_name = std::string(kControlName),
                          .identity = {},
                          .system_trust = true};
  internal.identity =
      identity_of(user_ca, {.key = crypto::PublicKey(nullptr), .common_name = "ann", .uris = {std::string(kUserName)}});
  EXPECT_FALSE(ControlClient::make(internal));
  internal.trust = {authority(Profile::kServer).certificate()};
  EXPECT_TRUE(ControlClient::make(internal));
  internal.control_name.clear();
  EXPECT_FALSE(ControlClient::make(internal));
}

CO_TEST(ControlClient, WatchesLineByLine) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address(), {.silence = 150ms, .line_bytes = 4096});
  std::vector<std::string> lines;
  const auto keep = [&lines](std::string_view line) {
    lines.emplace_back(line);
    return Result<>{};
  };
  const auto ended = co_await client->watch("/v1/watch", {}, keep);
  EXPECT_EQ(lines, (std::vector<std::string>{"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"}));
  CO_ASSERT_TRUE(!ended);
  expect_unreachable(ended.error(), server.endpoint(), "it ended the connection");

  lines.clear();
  const auto silent = co_await client->watch("/v1/watch", {{"stay", "1"}}, keep);
  EXPECT_EQ(lines.size(), 3U);
  CO_ASSERT_TRUE(!silent);
  expect_unreachable(silent.error(), server.endpoint(), "silent for 150ms");

  lines.clear();
  const auto too_long = co_await client->watch("/v1/watch", {{"long", "1"}}, keep);
  EXPECT_EQ(lines.size(), 3U);
  CO_ASSERT_ERROR(too_long, Code::kLimit);
  EXPECT_EQ(too_long.error().hop, Hop::kControlPlane);

  const auto stopped = co_await client->watch("/v1/watch", {{"stay", "1"}}, [](std::string_view line) -> Result<> {
    if (line == "{\"n\":2}") return fail(Code::kConflict, "another epoch");
    return {};
  });
  CO_ASSERT_ERROR(stopped, Code::kConflict);
  EXPECT_EQ(stopped.error().message, "another epoch");
  co_await server.stop();
}

CO_TEST(ControlClient, ARefusedWatchSaysWhy) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address());
  const auto refused = co_await client->watch("/v1/watch-refused", {}, [](std::string_view) { return Result<>{}; });
  CO_ASSERT_ERROR(refused, Code::kUnauthenticated);
  EXPECT_EQ(refused.error().message, "the sign-in has ended");
  EXPECT_EQ(refused.error().stable_code(), "signed_out");
  EXPECT_EQ(refused.error().hop, Hop::kControlPlane);
  const auto unknown = co_await client->watch("/v1/nowhere", {}, [](std::string_view) { return Result<>{}; });
  CO_ASSERT_ERROR(unknown, Code::kNotFound);
  co_await server.stop();
}

// A call goes on while a watch is open.
Task<> watch_quietly(ControlClient& client) {
  (void)co_await client.watch("/v1/watch", {{"stay", "1"}}, [](std::string_view) { return Result<>{}; });
}
CO_TEST(ControlClient, CallsBesideAWatch) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto client = client_for(server.address());
  net::TaskGroup tasks(executor);
  tasks.spawn("watch", watch_quietly(*client));
  for (int i = 0; i < 3; ++i) {
    const auto got = co_await client->get<Members>("/v1/echo");
    CO_ASSERT_OK(got);
  }
  tasks.cancel();
  co_await tasks.join();
  EXPECT_EQ(server.connections, 2);
  co_await server.stop();
}

CO_TEST(FetchTrust, BelievesTheAuthorityWithTheFingerprint) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const std::string fingerprint = server.server_ca.certificate().fingerprint();
  const auto trust = co_await fetch_trust(server.endpoint(), fingerprint);
  CO_ASSERT_OK(trust);
  EXPECT_EQ(trust->control_name, kControlName);
  EXPECT_EQ(trust->server_ca_sha256, fingerprint);
  std::string as_people_paste;
  for (std::size_t i = 0; i < fingerprint.size(); ++i) {
    if (i > 0 && i % 2 == 0) as_people_paste += ':';
    as_people_paste += static_cast<char>(std::toupper(static_cast<unsigned char>(fingerprint[i])));
  }
  const auto again = co_await fetch_trust(server.endpoint(), as_people_paste);
  CO_ASSERT_OK(again);
  const auto wrong = co_await fetch_trust(server.endpoint(), std::string(64, '0'));
  CO_ASSERT_ERROR(wrong, Code::kDenied);
  EXPECT_EQ(wrong.error().stable_code(), "untrusted_control_plane");
  co_await server.stop();
}

// Somebody in between shows the genuine authority, which is no secret, over a connection of its own.
CO_TEST(FetchTrust, AManInTheMiddleCannotBorrowTheAuthority) {
  const Executor executor = co_await net::this_executor();
  Server genuine(executor);
  genuine.listen();
  Server eve(executor);
  eve.listen();
  eve.shown = genuine.shown;
  eve.shown.control_name = "control.eve.example";
  const auto trust = co_await fetch_trust(eve.endpoint(), genuine.server_ca.certificate().fingerprint());
  CO_ASSERT_TRUE(!trust);
  expect_unreachable(trust.error(), eve.endpoint(), "");

  // Nor with the genuine chain behind a leaf of its own.
  Server filler(executor);
  auto identity = identity_of(filler.server_ca, names({"localhost"}, {"127.0.0.1"}));
  identity.chain.push_back(genuine.server_ca.certificate());
  filler.listen(identity);
  filler.shown = genuine.shown;
  const auto refused = co_await fetch_trust(filler.endpoint(), genuine.server_ca.certificate().fingerprint());
  CO_ASSERT_TRUE(!refused);

  // Nor by a certificate of the genuine authority for another host.
  Server elsewhere(executor);
  elsewhere.listen(identity_of(genuine.server_ca, names({"other.example"}, {})));
  elsewhere.shown = genuine.shown;
  const auto other = co_await fetch_trust(elsewhere.endpoint(), genuine.server_ca.certificate().fingerprint());
  CO_ASSERT_TRUE(!other);
  co_await genuine.stop();
  co_await eve.stop();
  co_await filler.stop();
  co_await elsewhere.stop();
}

CO_TEST(LookAtCertificate, ShowsTheChain) {
  const Executor executor = co_await net::this_executor();
  Server server(executor);
  server.listen();
  const auto chain = co_await look_at_certificate(server.endpoint());
  CO_ASSERT_OK(chain);
  CO_ASSERT_EQ(chain->size(), 2U);
  EXPECT_EQ(chain->back().fingerprint(), server.server_ca.certificate().fingerprint());
  const auto endpoint = server.endpoint();
  co_await server.stop();
  const auto gone = co_await look_at_certificate(endpoint);
  CO_ASSERT_TRUE(!gone);
  expect_unreachable(gone.error(), endpoint, "");
}

}  // namespace
}  // namespace portolan::api
