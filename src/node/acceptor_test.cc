// The gateway's port against strangers who begin a handshake and go no further.
#include "node/acceptor.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/memory_stream.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

CO_TEST(Acceptor, HandshakesThatAreHeldOpenKeepNobodyOut) {
  const auto executor = co_await net::this_executor();
  const auto now = Clock::real().wall();
  const auto user_ca = crypto::Authority::create("users", crypto::Profile::kUser, now, 1h);
  const auto node_ca = crypto::Authority::create("nodes", crypto::Profile::kNode, now, 1h);
  const auto certify = [&](const crypto::Authority& ca, crypto::Profile profile, std::string uri) {
    const auto key = crypto::PrivateKey::generate();
    return net::TlsIdentity{{*ca.issue({profile, key.public_key(), "x", {std::move(uri)}}, now)},
                            std::make_shared<crypto::PrivateKey>(key)};
  };
  const std::string node = crypto::to_uri(crypto::NodeIdentity{"org", "n-1"});
  const tunnel::LinkIdentity own{
      certify(node_ca, crypto::Profile::kNode, node), {node_ca.certificate()}, {user_ca.certificate()}};
  const tunnel::LinkIdentity user{
      certify(user_ca, crypto::Profile::kUser, crypto::to_uri(crypto::UserIdentity{"org", "a-1", "d-1"})),
      {node_ca.certificate()},
      {}};
  auto accepting = tunnel::make_link_server(own, {tunnel::Purpose::kUser}, [](const auto&) { return Result<>{}; });
  auto dialling = tunnel::make_link_client(user, tunnel::Purpose::kUser, node);
  CO_ASSERT_OK(accepting);
  CO_ASSERT_OK(dialling);
  NodeOptions options;
  options.handshakes = 8;
  options.handshake_limit = 1h;
  std::vector<std::unique_ptr<tunnel::Link>> links;
  Acceptor acceptor(executor, *accepting, options, [&](tunnel::AcceptedLink accepted) {
    links.push_back(tunnel::start_mux(std::move(accepted), {}, nullptr, [](const Error&) {}));
  });
  std::vector<std::unique_ptr<net::Stream>> strangers;
  for (int i = 0; i < 40; ++i) {
    auto [theirs, ours] = net::memory_pair(executor);
    CO_ASSERT_OK(co_await net::write(*theirs, as_bytes("\x16")));
    strangers.push_back(std::move(theirs));
    acceptor.add_path(std::move(ours));
    co_await net::yield_to_loop();
    EXPECT_LE(acceptor.unproven(), 16U);
  }
  auto [theirs, ours] = net::memory_pair(executor);
  acceptor.add_path(std::move(ours));
  auto link = co_await tunnel::dial_link(std::move(theirs), *dialling, tunnel::Purpose::kUser, {.handshake_limit = 5s},
                                         nullptr, [](const Error&) {});
  CO_ASSERT_OK(link);
  while (links.empty()) co_await net::yield_to_loop();
  co_await acceptor.stop();
}

// What begins with a preface is taken as such, whole or not; what begins otherwise must be TLS.
CO_TEST(Acceptor, TakesPlainConnectionsByTheirPreface) {
  const auto executor = co_await net::this_executor();
  NodeOptions options;
  options.handshakes = 4;
  options.handshake_limit = 1h;
  Acceptor acceptor(executor, nullptr, options, [](tunnel::AcceptedLink) {});
  std::vector<tunnel::Ticket> tickets;
  std::unique_ptr<net::TcpStream> taken;
  acceptor.on_plain([&](std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket& ticket) {
    tickets.push_back(ticket);
    taken = std::move(stream);
  });
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0},
                                  [&](std::unique_ptr<net::TcpStream> stream) { acceptor.add(std::move(stream)); });
  CO_ASSERT_OK(listener);
  tunnel::Ticket ticket{};
  ticket.fill(std::byte{7});
  Bytes said;
  std::ranges::copy(tunnel::encode_preface(ticket), std::back_inserter(said));
  said.push_back(std::byte{22});
  auto good = co_await net::dial_tcp((*listener)->local(), 5s);
  CO_ASSERT_OK(good);
  for (const std::byte byte : said) {
    CO_ASSERT_OK(co_await net::write(**good, {&byte, 1}));
    co_await net::yield_to_loop();
  }
  while (tickets.empty()) co_await net::yield_to_loop();
  EXPECT_EQ(tickets.front(), ticket);
  const auto rest = co_await net::read(*taken);
  CO_ASSERT_OK(rest);
  EXPECT_EQ(Bytes(rest->data().begin(), rest->data().end()), Bytes{std::byte{22}}) << "what follows is not taken";

  said[5] = std::byte{9};
  auto bad = co_await net::dial_tcp((*listener)->local(), 5s);
  CO_ASSERT_OK(bad);
  CO_ASSERT_OK(co_await net::write(**bad, said));
  const auto closed = co_await net::read(**bad);
  EXPECT_TRUE(!closed || closed->empty());
  EXPECT_EQ(tickets.size(), 1U);

  // Those that stop within a preface make room, as those that stop within a handshake.
  std::vector<std::unique_ptr<net::TcpStream>> strangers;
  for (int i = 0; i < 20; ++i) {
    auto stranger = co_await net::dial_tcp((*listener)->local(), 5s);
    CO_ASSERT_OK(stranger);
    CO_ASSERT_OK(co_await net::write(**stranger, ByteView(said).first(3)));
    strangers.push_back(std::move(*stranger));
    EXPECT_LE(acceptor.unproven(), 20U);
  }
  const auto first = co_await net::read(*strangers.front());
  EXPECT_TRUE(!first || first->empty());
  co_await acceptor.stop();
}

// Whoever connects from a balancer's address says first whose connection it is; from elsewhere nobody may.
CO_TEST(Acceptor, TakesProxyHeadersFromBalancersOnly) {
  const auto executor = co_await net::this_executor();
  for (const bool balancer : {true, false}) {
    NodeOptions options;
    options.proxy_protocol_from = *net::parse_address_ranges(balancer ? "127.0.0.0/8" : "192.0.2.0/24");
    Acceptor acceptor(executor, nullptr, options, [](tunnel::AcceptedLink) {});
    std::string came_from;
    acceptor.on_plain(
        [&](std::unique_ptr<net::TcpStream> stream, const tunnel::Ticket&) { came_from = stream->peer().host; });
    // Without TLS, what is no preface is never taken: the test is over when the stream has been closed.
    auto listener = net::listen_tcp(executor, {"127.0.0.1", 0},
                                    [&](std::unique_ptr<net::TcpStream> stream) { acceptor.add(std::move(stream)); });
    CO_ASSERT_OK(listener);
    const Bytes header = *from_hex("0d0a0d0a000d0a515549540a2111000ccb0071077f000001d4311388");
    const auto preface = tunnel::encode_preface({});
    auto with = co_await net::dial_tcp((*listener)->local(), 5s);
    CO_ASSERT_OK(with);
    if (balancer) {
      CO_ASSERT_OK(co_await net::write(**with, header));
    }
    CO_ASSERT_OK(co_await net::write(**with, preface));
    while (came_from.empty()) co_await net::yield_to_loop();
    EXPECT_EQ(came_from, balancer ? "203.0.113.7" : "127.0.0.1");
    if (balancer) {
      auto without = co_await net::dial_tcp((*listener)->local(), 5s);
      CO_ASSERT_OK(without);
      CO_ASSERT_OK(co_await net::write(**without, preface));
      const auto closed = co_await net::with_timeout(net::read(**without), 5s);
      EXPECT_TRUE(closed ? closed->empty() : closed.error().code != Code::kTimeout) << "refused";
    }
    co_await acceptor.stop();
  }
}

}  // namespace
}  // namespace portolan::node
