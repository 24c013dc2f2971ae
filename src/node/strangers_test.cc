// What a node's port answers to who is no client of ours.
#include "node/strangers.h"

#include <gtest/gtest.h>

#include "crypto/certificate.h"
#include "net/co_test.h"
#include "net/memory_stream.h"
#include "node/acceptor.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

struct World {
  crypto::Authority user_ca;
  crypto::Authority node_ca;
  net::TlsIdentity node;

  static World make() {
    const auto now = Clock::real().wall();
    auto users = crypto::Authority::create("users", crypto::Profile::kUser, now, 1h);
    auto nodes = crypto::Authority::create("nodes", crypto::Profile::kNode, now, 1h);
    const auto key = crypto::PrivateKey::generate();
    auto leaf = nodes.issue({crypto::Profile::kNode, key.public_key(), "g1", {"spiffe://org/node/n-1"}}, now);
    net::TlsIdentity node{{*leaf}, std::make_shared<crypto::PrivateKey>(key)};
    return {std::move(users), std::move(nodes), std::move(node)};
  }
  Result<std::shared_ptr<const net::TlsServer>> server() const {
    const tunnel::LinkIdentity own{node, {node_ca.certificate()}, {user_ca.certificate()}};
    return tunnel::make_link_server(own, {tunnel::Purpose::kUser, tunnel::Purpose::kInner}, nullptr,
                                    stranger_purposes(node));
  }
};

// What a stranger, who offers `alpn` and says `text`, reads until the end.
net::Task<Result<std::string>> ask(Acceptor& acceptor, std::vector<std::string> alpn, std::string text) {
  auto [theirs, ours] = net::memory_pair(co_await net::this_executor());
  acceptor.add_path(std::move(ours));
  net::TlsClientOptions options;
  options.alpn = std::move(alpn);
  options.verify_chain = false;
  CO_TRY(const auto client, net::TlsClient::make(std::move(options)));
  CO_TRY(auto tls, co_await client->connect(std::move(theirs), 5s));
  CO_CHECK(co_await net::write(*tls, as_bytes(text)));
  std::string answer;
  for (;;) {
    CO_TRY(const auto more, co_await net::with_timeout(net::read(*tls), 5s));
    if (more.empty()) co_return answer;
    answer += as_text(more.data());
  }
}

CO_TEST(Strangers, AreToldThatThereIsNothing) {
  const auto executor = co_await net::this_executor();
  const auto world = World::make();
  const auto tls = world.server();
  CO_ASSERT_OK(tls);
  int links = 0;
  NodeOptions node_options;
  Acceptor acceptor(executor, *tls, node_options, [&](tunnel::AcceptedLink) { ++links; });
  const auto by_name = co_await ask(acceptor, {"h2", "http/1.1"}, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CO_ASSERT_OK(by_name);
  EXPECT_TRUE(by_name->starts_with("HTTP/1.1 404 Not Found\r\n")) << *by_name;
  EXPECT_TRUE(by_name->ends_with("no web server.\n")) << *by_name;
  const auto by_none = co_await ask(acceptor, {}, "HEAD /x HTTP/1.1\r\n\r\n");
  CO_ASSERT_OK(by_none);
  EXPECT_TRUE(by_none->starts_with("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(by_none->ends_with("\r\n\r\n")) << "no body for HEAD";
  EXPECT_EQ(acceptor.strangers(), 2U);
  const auto no_http = co_await ask(acceptor, {}, "\x01hello\r\n\r\n");
  EXPECT_TRUE(!no_http || no_http->empty());
  const auto endless = co_await ask(acceptor, {}, "GET / HTTP/1.1\r\n" + std::string(20'000, 'x'));
  EXPECT_TRUE(!endless || endless->empty());
  EXPECT_EQ(acceptor.strangers(), 2U);
  // Links are proven as ever: without a certificate there is none.
  const auto no_certificate = co_await ask(acceptor, {"portolan-user"}, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(!no_certificate || no_certificate->empty());
  EXPECT_EQ(links, 0);
  const auto unknown = co_await ask(acceptor, {"h2"}, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(unknown) << "another protocol is refused before anything is said";
  co_await acceptor.stop();
}

CO_TEST(Strangers, WhoSayNothingAreNotWaitedForLong) {
  const auto executor = co_await net::this_executor();
  const auto world = World::make();
  const auto tls = world.server();
  CO_ASSERT_OK(tls);
  NodeOptions node_options;
  node_options.handshake_limit = 200ms;
  Acceptor acceptor(executor, *tls, node_options, [](tunnel::AcceptedLink) {});
  const auto silent = co_await ask(acceptor, {}, "GET / HTTP/1.1\r\n");
  EXPECT_TRUE(!silent || silent->empty());
  EXPECT_EQ(acceptor.unproven(), 0U);
  co_await acceptor.stop();
}

}  // namespace
}  // namespace portolan::node
