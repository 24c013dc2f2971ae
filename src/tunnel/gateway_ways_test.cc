#include "tunnel/gateway_ways.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/file.h"
#include "net/http/websocket.h"
#include "net/test_tls.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;
using net::Task;
using net::testing::Pki;

// A gateway: a port of its own, and one for WebSockets. On both it says "hello" and closes.
class FakeGateway {
 public:
  explicit FakeGateway(const net::Executor& executor) : executor_(executor), tasks_(executor) {}

  Result<> open_plain() {
    PL_TRY(plain_,
           net::listen_tcp(executor_, {"127.0.0.1", plain_port_}, [this](std::unique_ptr<net::TcpStream> stream) {
             ++plain_links;
             if (answers) {
               tasks_.spawn("plain", greet(std::move(stream)));
             } else {
               swallowed_.push_back(std::move(stream));
             }
           }));
    plain_port_ = plain_->local().port;
    return {};
  }
  void close_plain() { plain_.reset(); }

  Result<> open_web(const Pki& pki) {
    net::TlsServerPurpose purpose;
    purpose.identity = pki.server();
    PL_TRY(tls_, net::TlsServer::make({purpose}));
    PL_TRY(web_, net::listen_tcp(executor_, {"127.0.0.1", 0}, [this](std::unique_ptr<net::TcpStream> stream) {
             tasks_.spawn("web", upgrade(std::move(stream)));
           }));
    return {};
  }
  void close_web() { web_.reset(); }
  // At the end of each test.
  Task<> stop() {
    close_plain();
    close_web();
    tasks_.cancel();
    co_await tasks_.join();
  }

  GatewayPlace place() const {
    GatewayPlace place{"n-g1", net::to_text({"127.0.0.1", plain_port_}), {}};
    place.web_address = net::to_text({"127.0.0.1", web_port()});
    return place;
  }
  std::uint16_t web_port() const { return web_ ? web_->local().port : 1; }

  int plain_links = 0;
  int web_links = 0;
  bool answers = true;

 private:
  static Task<> greet(std::unique_ptr<net::Stream> stream) {
    [[maybe_unused]] const auto wrote = co_await net::write(*stream, as_bytes("hello"));
    [[maybe_unused]] const auto finished = co_await net::finish(*stream, 1s);
    [[maybe_unused]] const auto read = co_await net::with_timeout(net::wait_readable(*stream), 1s);
  }
  Task<> upgrade(std::unique_ptr<net::Stream> stream) {
    const auto tls = tls_;
    auto shaken = co_await tls->accept(std::move(stream), 2s);
    if (!shaken) co_return;
    auto path = co_await net::http::accept_websocket(std::move(*shaken), std::string(kWebPath), 2s);
    if (!path) co_return;
    ++web_links;
    co_await greet(std::move(*path));
  }

  net::Executor executor_;
  std::uint16_t plain_port_ = 0;
  std::shared_ptr<const net::TlsServer> tls_;
  std::vector<std::unique_ptr<net::Stream>> swallowed_;
  std::unique_ptr<net::Listener> plain_;
  std::unique_ptr<net::Listener> web_;
  net::TaskGroup tasks_;
};

// What a link is here: the word has come.
Task<Result<>> hear(std::unique_ptr<net::Stream> path, std::chrono::milliseconds limit) {
  net::Reader reader(*path);
  co_return co_await net::with_timeout(reader.fill(5), limit);
}

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "portolan-ways-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct World {
  explicit World(const net::Executor& executor) : gateway(executor) {
    EXPECT_TRUE(write_file(folder.path / "ca.pem", pki.servers.certificate().pem(), Privacy::kPublic));
    EXPECT_TRUE(gateway.open_plain());
    EXPECT_TRUE(gateway.open_web(pki));
  }
  GatewayWaysOptions options() {
    return {.memory = folder.path / "ways.json",
            .ca_file = folder.path / "ca.pem",
            .plain_limit = 300ms,
            .plain_retry = 500ms,
            .network = [this] { return network; }};
  }
  Folder folder;
  Pki pki;
  FakeGateway gateway;
  std::string network = "home";
};

CO_TEST(GatewayWays, ThePlainWayWhereItServes) {
  World world(co_await net::this_executor());
  GatewayWays ways(world.options(), Clock::real());
  auto linked = co_await ways.link(world.gateway.place(), hear);
  CO_ASSERT_OK(linked);
  EXPECT_FALSE(ways.by_web("n-g1"));
  EXPECT_FALSE(ways.plain_due("n-g1"));
  EXPECT_EQ(world.gateway.web_links, 0);
  EXPECT_FALSE(std::filesystem::exists(world.folder.path / "ways.json"));
  co_await world.gateway.stop();
}

CO_TEST(GatewayWays, AWebSocketWhereThePortIsClosedAndThePlainWayWhenItOpens) {
  World world(co_await net::this_executor());
  world.gateway.close_plain();
  GatewayWays ways(world.options(), Clock::real());
  auto linked = co_await ways.link(world.gateway.place(), hear);
  CO_ASSERT_OK(linked);
  CO_ASSERT_TRUE(ways.by_web("n-g1"));
  EXPECT_TRUE(ways.why_web("n-g1")->contains("connection refused")) << *ways.why_web("n-g1");
  // One more connection goes the same way.
  auto dialled = co_await ways.dial(world.gateway.place(), 2s);
  CO_ASSERT_OK(dialled);
  linked = co_await hear(std::move(*dialled), 2s);
  CO_ASSERT_OK(linked);
  EXPECT_EQ(world.gateway.web_links, 2);
  auto tried = co_await ways.link_plainly(world.gateway.place(), hear);
  EXPECT_FALSE(tried);
  EXPECT_TRUE(ways.by_web("n-g1"));
  EXPECT_FALSE(ways.plain_due("n-g1")) << "in a while";
  ways.network_changed();
  EXPECT_TRUE(ways.plain_due("n-g1"));
  CO_ASSERT_OK(world.gateway.open_plain());
  tried = co_await ways.link_plainly(world.gateway.place(), hear);
  CO_ASSERT_OK(tried);
  EXPECT_FALSE(ways.by_web("n-g1"));
  const auto text = read_file(world.folder.path / "ways.json");
  CO_ASSERT_OK(text);
  EXPECT_FALSE(text->contains("n-g1")) << *text;
  co_await world.gateway.stop();
}

CO_TEST(GatewayWays, WhatWasLearntOfANetworkIsKnownAtTheNextStart) {
  World world(co_await net::this_executor());
  world.gateway.answers = false;  // a filter that swallows
  {
    GatewayWays ways(world.options(), Clock::real());
    const auto began = std::chrono::steady_clock::now();
    auto linked = co_await ways.link(world.gateway.place(), hear);
    CO_ASSERT_OK(linked);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 250ms) << "for so long the plain way was waited for";
  }
  EXPECT_EQ(world.gateway.plain_links, 1);
  {
    GatewayWays ways(world.options(), Clock::real());
    auto linked = co_await ways.link(world.gateway.place(), hear);
    CO_ASSERT_OK(linked);
    EXPECT_EQ(world.gateway.plain_links, 1) << "not tried first any more";
    EXPECT_TRUE(ways.by_web("n-g1"));
  }
  world.network = "office";
  GatewayWays ways(world.options(), Clock::real());
  auto linked = co_await ways.link(world.gateway.place(), hear);
  CO_ASSERT_OK(linked);
  EXPECT_EQ(world.gateway.plain_links, 2) << "another network";
  co_await world.gateway.stop();
}

CO_TEST(GatewayWays, ARememberedWayThatFailsGivesPlace) {
  World world(co_await net::this_executor());
  world.gateway.close_plain();
  GatewayWays ways(world.options(), Clock::real());
  auto linked = co_await ways.link(world.gateway.place(), hear);
  CO_ASSERT_OK(linked);
  world.gateway.close_web();
  CO_ASSERT_OK(world.gateway.open_plain());
  linked = co_await ways.link(world.gateway.place(), hear);
  CO_ASSERT_OK(linked);
  EXPECT_FALSE(ways.by_web("n-g1"));
  co_await world.gateway.stop();
}

CO_TEST(GatewayWays, WhereBothFailBothAreSaid) {
  World world(co_await net::this_executor());
  world.gateway.close_plain();
  auto options = world.options();
  options.ca_file = "";  // the outer certificate is one that nobody here vouches for
  GatewayWays ways(options, Clock::real());
  auto linked = co_await ways.link(world.gateway.place(), hear);
  CO_ASSERT_TRUE(!linked.has_value());
  EXPECT_TRUE(linked.error().message.contains("connection refused")) << linked.error().message;
  EXPECT_TRUE(linked.error().message.contains("by WebSocket on 127.0.0.1:")) << linked.error().message;
  EXPECT_TRUE(linked.error().message.contains("certificate is not accepted")) << linked.error().message;
  EXPECT_FALSE(ways.by_web("n-g1"));
  auto place = world.gateway.place();
  place.web_address.reset();
  linked = co_await ways.link(place, hear);
  CO_ASSERT_TRUE(!linked.has_value());
  EXPECT_FALSE(linked.error().message.contains("WebSocket")) << "it has none";
  co_await world.gateway.stop();
}

TEST(GatewayWays, WhyNotPlain) {
  const Error certificate{
      Code::kUnauthenticated,
      "tls handshake with gw:5000: the peer's certificate is not accepted: self-signed certificate; "
      "its issuer is \"Corp\"",
      std::string(net::kUnknownAuthority)};
  EXPECT_EQ(why_not_plain(certificate, true),
            "TLS is intercepted on the plain way (the peer's certificate is not accepted: self-signed certificate; its "
            "issuer is \"Corp\")");
  EXPECT_EQ(why_not_plain({Code::kProtocol, "garbage"}, true), "the plain way lets no TLS of ours pass (garbage)");
  EXPECT_EQ(why_not_plain({Code::kIo, "refused"}, false), "the plain way is closed (refused)");
}

}  // namespace
}  // namespace portolan::tunnel
