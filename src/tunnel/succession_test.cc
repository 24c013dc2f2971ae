#include "tunnel/succession.h"

#include <gtest/gtest.h>

#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;
using crypto::Authority;
using crypto::Profile;

constexpr std::string_view kRelay = "spiffe://example.org/node/n-relay";
constexpr std::string_view kGateway = "spiffe://example.org/node/n-gateway";
constexpr std::string_view kUser = "spiffe://example.org/user/a-1/device/d-1";

// A dialler whose certificate can be renewed, and an acceptor that keeps what it accepts.
struct World {
  explicit World(const net::Executor& on)
      : executor(on), succession([this](const Error& why) { ended.push_back(why); }), arrived(on), tasks(on) {}

  LinkIdentity identity(Profile profile, std::string_view name, const crypto::PrivateKey& own_key,
                        std::chrono::seconds life) const {
    const auto leaf = (profile == Profile::kUser ? users : nodes)
                          .issue({profile, own_key.public_key(), "x", {std::string(name)}, {}, {}, life}, now);
    EXPECT_TRUE(leaf.has_value());
    return {
        {{*leaf}, std::make_shared<const crypto::PrivateKey>(own_key)}, {nodes.certificate()}, {users.certificate()}};
  }
  LinkIdentity client(Purpose purpose, std::chrono::seconds life = 1h) const {
    return purpose == Purpose::kReverse ? identity(Profile::kNode, kRelay, key, life)
                                        : identity(Profile::kUser, kUser, key, life);
  }
  net::Task<Result<>> dial(Purpose purpose, const LinkIdentity& own) {
    const auto server = make_link_server(identity(Profile::kNode, kGateway, gateway_key, 1h),
                                         {Purpose::kUser, Purpose::kReverse}, nullptr);
    const auto client_tls = make_link_client(own, purpose, std::string(kGateway));
    EXPECT_TRUE(server && client_tls);
    auto [near, far] = net::memory_pair(executor);
    tasks.spawn("accept", accept(std::move(far), *server));
    auto dialled = co_await succession.dial(std::move(near), *client_tls, own.identity.chain.front(), purpose, {},
                                            [this](std::unique_ptr<Incoming> incoming) { take(std::move(incoming)); });
    co_await tasks.join();
    co_return dialled;
  }
  net::Task<> accept(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsServer> tls) {
    auto link = co_await accept_link(std::move(path), std::move(tls), {});
    EXPECT_TRUE(link.has_value());
    if (!link) co_return;
    if (mute) co_return silent.push_back(std::move(*link));
    accepted.push_back(start_mux(
        std::move(*link), {}, [this](std::unique_ptr<Incoming> incoming) { take(std::move(incoming)); },
        [](const Error&) {}));
  }
  void take(std::unique_ptr<Incoming> incoming) {
    streams.push_back(incoming->accept());
    arrived.set();
  }
  net::Task<> settle() {
    for (int i = 0; i < 200; ++i) co_await net::yield_to_loop();
  }

  net::Executor executor;
  WallTime now = Clock::real().wall();
  Authority nodes = Authority::create("nodes", Profile::kNode, now, 24h);
  Authority users = Authority::create("users", Profile::kUser, now, 24h);
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  crypto::PrivateKey gateway_key = crypto::PrivateKey::generate();
  std::vector<Error> ended;
  std::vector<std::unique_ptr<Link>> accepted;
  bool mute = false;                 // peers behind a network that has changed: nothing comes back
  std::vector<AcceptedLink> silent;  // their links
  std::vector<std::unique_ptr<MuxStream>> streams;
  Succession succession;
  net::Event arrived;
  net::TaskGroup tasks;
};

CO_TEST(Succession, StreamsGoOnOverTheLinkThatRetires) {
  World world(co_await net::this_executor());
  const auto first = world.client(Purpose::kUser);
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, first));
  auto stream = world.succession.newest()->mux->open({"n-1"});
  CO_ASSERT_OK(stream);
  CO_ASSERT_OK(co_await (*stream)->answered(kSoon));
  const auto second = world.client(Purpose::kUser);
  EXPECT_FALSE(world.succession.due(first.identity.chain.front(), world.now));
  EXPECT_TRUE(world.succession.due(second.identity.chain.front(), world.now));
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, second));
  EXPECT_FALSE(world.succession.due(second.identity.chain.front(), world.now));
  EXPECT_EQ(world.succession.retired(), 1U);
  EXPECT_EQ(world.accepted.at(1)->certificate.serial(), second.identity.chain.front().serial());
  EXPECT_EQ(world.accepted.at(0)->agreed.features & (kContinues | kSuccessor), kContinues);
  EXPECT_EQ(world.accepted.at(1)->agreed.features & (kContinues | kSuccessor), kContinues | kSuccessor);

  CO_ASSERT_OK(co_await net::write(**stream, as_bytes("still here")));
  const auto text = co_await read_some(*world.streams.at(0));
  CO_ASSERT_OK(text);
  EXPECT_EQ(*text, "still here");
  // New ones take the new link; the old one ends with its last stream, and nobody is told of an end.
  CO_ASSERT_OK(world.succession.newest()->mux->open({"n-1"}));
  stream->reset();
  world.streams.clear();
  co_await world.settle();
  EXPECT_EQ(world.succession.retired(), 0U);
  EXPECT_TRUE(world.succession.up());
  EXPECT_TRUE(world.ended.empty());
  world.succession.clear();
}

// The gateway opens the streams of a reverse link, and so it alone says that no more will come.
CO_TEST(Succession, AReverseLinkIsRetiredByWhoOpensStreamsOnIt) {
  World world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.dial(Purpose::kReverse, world.client(Purpose::kReverse)));
  CO_ASSERT_OK(co_await world.dial(Purpose::kReverse, world.client(Purpose::kReverse)));
  EXPECT_EQ(world.succession.retired(), 1U);
  const auto crossing = world.accepted.at(0)->mux->open({"n-relay"});
  CO_ASSERT_OK(crossing);
  CO_ASSERT_OK(co_await (*crossing)->answered(kSoon));
  world.succession.clear();
}

CO_TEST(Succession, AFailedSuccessorChangesNothing) {
  World world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  const auto* before = world.succession.newest();
  auto [near, far] = net::memory_pair(world.executor);
  far.reset();
  const auto own = world.client(Purpose::kUser);
  const auto tls = make_link_client(own, Purpose::kUser, std::string(kGateway));
  CO_ASSERT_OK(tls);
  const auto dialled =
      co_await world.succession.dial(std::move(near), *tls, own.identity.chain.front(), Purpose::kUser, {}, nullptr);
  EXPECT_FALSE(dialled);
  EXPECT_EQ(world.succession.newest(), before);
  EXPECT_TRUE(world.ended.empty());
  world.succession.clear();
}

CO_TEST(Succession, TheEndOfTheNewestIsTold) {
  World world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  world.accepted.at(0)->mux->close(Error{Code::kDenied, "enough", "revoked", Hop::kGateway});
  co_await world.settle();
  CO_ASSERT_EQ(world.ended.size(), 1U);
  EXPECT_FALSE(world.succession.up());
  EXPECT_FALSE(world.succession.due(world.client(Purpose::kUser).identity.chain.front(), world.now));
}

CO_TEST(Succession, ThatThePeerLeavesIsToldOfTheNewestOnly) {
  World world(co_await net::this_executor());
  int told = 0;
  world.succession.on_draining([&] { ++told; });
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  auto first = world.succession.newest()->mux->open({"n-1"});
  CO_ASSERT_OK(first);
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  auto second = world.succession.newest()->mux->open({"n-1"});
  CO_ASSERT_OK(second);
  CO_ASSERT_OK(co_await (*second)->answered(kSoon));
  world.accepted.at(0)->mux->drain();
  co_await world.settle();
  EXPECT_EQ(told, 0);
  EXPECT_TRUE(world.succession.serves());
  world.accepted.at(1)->mux->drain();
  co_await world.settle();
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(world.succession.serves());
  EXPECT_TRUE(world.succession.up()) << "what runs goes on";
  CO_ASSERT_OK(co_await net::write(**second, as_bytes("still here")));
  // And it serves again by a new link.
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  EXPECT_TRUE(world.succession.serves());
  world.succession.clear();
}

const Error kChanged{Code::kUnavailable, "the network has changed", "network_changed", Hop::kAgent};

CO_TEST(Succession, ANewestThatDoesNotAnswerEnds) {
  World world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.succession.probe_newest(kSoon, kChanged));
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  CO_ASSERT_OK(co_await world.succession.probe_newest(kSoon, kChanged));
  world.mute = true;
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  const Link* silent = world.succession.newest();
  EXPECT_EQ(world.succession.standing(silent), Succession::Standing::kNewest);
  const auto answered = co_await world.succession.probe_newest(20ms, kChanged);
  CO_ASSERT_TRUE(!answered);
  EXPECT_EQ(answered.error().reason, "network_changed");
  EXPECT_FALSE(world.succession.up());
  EXPECT_EQ(world.succession.standing(silent), Succession::Standing::kEnded);
  world.succession.clear();
}

CO_TEST(Succession, RetiredLinksThatDoNotAnswerEndToo) {
  World world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  const auto kept = world.succession.newest()->mux->open({"n-1"});
  CO_ASSERT_OK(kept);
  const Link* answering = world.succession.newest();
  world.mute = true;
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  const auto lost = world.succession.newest()->mux->open({"n-1"});
  CO_ASSERT_OK(lost);
  const Link* silent = world.succession.newest();
  world.mute = false;
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, world.client(Purpose::kUser)));
  EXPECT_EQ(world.succession.standing(answering), Succession::Standing::kRetired);
  EXPECT_EQ(world.succession.standing(silent), Succession::Standing::kRetired);
  CO_ASSERT_OK(co_await world.succession.probe_newest(kSoon, kChanged));
  CO_ASSERT_OK(co_await world.succession.probe_retired(200ms, kChanged));
  EXPECT_EQ(world.succession.standing(answering), Succession::Standing::kRetired);
  EXPECT_EQ(world.succession.standing(silent), Succession::Standing::kEnded);
  const auto read = (*lost)->try_read();
  CO_ASSERT_TRUE(!read);
  EXPECT_EQ(read.error().reason, "network_changed");
  EXPECT_TRUE(world.succession.up());
  EXPECT_TRUE(world.ended.empty());
  world.succession.clear();
}

// The peer renews at two thirds; a link whose peer's certificate comes to its end is made anew.
CO_TEST(Succession, IsDueBeforeThePeersCertificateEnds) {
  World world(co_await net::this_executor());
  const auto own = world.client(Purpose::kUser, 10h);
  CO_ASSERT_OK(co_await world.dial(Purpose::kUser, own));
  const auto& mine = own.identity.chain.front();
  EXPECT_FALSE(world.succession.due(mine, world.now + 49min));
  EXPECT_TRUE(world.succession.due(mine, world.now + 51min));
  world.succession.clear();
}

}  // namespace
}  // namespace portolan::tunnel
