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

}  // namespace
}  // namespace portolan::node
