#include "tunnel/link.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "net/join.h"
#include "net/tcp.h"
#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;
using crypto::Authority;
using crypto::Certificate;
using crypto::PrivateKey;
using crypto::Profile;

constexpr std::string_view kUser = "spiffe://example.org/user/a-1/device/d-1";
constexpr std::string_view kGateway = "spiffe://example.org/node/n-gateway";
constexpr std::string_view kRelay = "spiffe://example.org/node/n-relay";

// A small world of certificates.
struct World {
  WallTime now = Clock::real().wall();
  Authority nodes = Authority::create("nodes", Profile::kNode, now, 24h);
  Authority users = Authority::create("users", Profile::kUser, now, 24h);

  net::TlsIdentity identity(const Authority& authority, std::vector<std::string> uris,
                            std::chrono::seconds life = 1h) const {
    const PrivateKey key = PrivateKey::generate();
    auto leaf = authority.issue({authority.profile(), key.public_key(), "test", std::move(uris), {}, {}, life}, now);
    EXPECT_TRUE(leaf.has_value()) << net::testing::describe_failure(leaf);
    return {{*leaf}, std::make_shared<const PrivateKey>(key)};
  }
  LinkIdentity of(net::TlsIdentity own) const { return {std::move(own), {nodes.certificate()}, {users.certificate()}}; }
  LinkIdentity user() const { return of(identity(users, {std::string(kUser)})); }
  LinkIdentity node(std::string_view name) const { return of(identity(nodes, {std::string(name)})); }
};

Result<> admit_all(const Certificate&) { return {}; }

// Both sides of one handshake.
struct Attempt {
  Result<std::unique_ptr<Link>> dialled = fail(Code::kInternal, "not run");
  Result<AcceptedLink> accepted = fail(Code::kInternal, "not run");
};

net::Task<> run_accept(std::unique_ptr<net::Stream> path, std::shared_ptr<const net::TlsServer> tls,
                       LinkOptions options, Result<AcceptedLink>& out) {
  out = co_await accept_link(std::move(path), tls, options);
}

struct Dial {
  LinkIdentity client;
  Purpose purpose = Purpose::kUser;
  std::string wanted = std::string(kGateway);
  std::string worker = {};
};
struct Serve {
  LinkIdentity server;
  std::vector<Purpose> purposes = {Purpose::kUser, Purpose::kNode, Purpose::kReverse, Purpose::kInner};
  Admit admit = admit_all;
};

net::Task<> shake_hands(Dial dial, Serve serve, std::unique_ptr<net::Stream> near, std::unique_ptr<net::Stream> far,
                        Attempt& out) {
  const auto client = make_link_client(dial.client, dial.purpose, dial.wanted, dial.worker);
  const auto server = make_link_server(serve.server, serve.purposes, serve.admit);
  EXPECT_TRUE(client && server) << net::testing::describe_failure(client) << net::testing::describe_failure(server);
  if (!client || !server) co_return;
  net::TaskGroup tasks(near->executor());
  tasks.spawn("accept", run_accept(std::move(far), *server, LinkOptions{.handshake_limit = 5s}, out.accepted));
  out.dialled =
      co_await dial_link(std::move(near), *client, dial.purpose, LinkOptions{.handshake_limit = 5s}, nullptr, nullptr);
  co_await tasks.join();
}

net::Task<> shake_hands(Dial dial, Serve serve, Attempt& out) {
  auto [near, far] = net::memory_pair(co_await net::this_executor());
  co_await shake_hands(std::move(dial), std::move(serve), std::move(near), std::move(far), out);
}

CO_TEST(Link, EachPurposeProvesBothSides) {
  const World world;
  struct Case {
    Purpose purpose;
    LinkIdentity client;
    std::string_view name;
  };
  for (const Case& c :
       {Case{Purpose::kUser, world.user(), kUser}, Case{Purpose::kNode, world.node(kRelay), kRelay},
        Case{Purpose::kReverse, world.node(kRelay), kRelay}, Case{Purpose::kInner, world.user(), kUser}}) {
    Attempt attempt;
    co_await shake_hands({c.client, c.purpose}, {world.node(kGateway)}, attempt);
    CO_ASSERT_OK(attempt.dialled);
    CO_ASSERT_OK(attempt.accepted);
    const Link& near = **attempt.dialled;
    const Link& far = attempt.accepted->link;
    EXPECT_EQ(near.peer, kGateway);
    EXPECT_EQ(far.peer, c.name);
    EXPECT_EQ(far.purpose, c.purpose);
    EXPECT_EQ(near.agreed.version, kNewestVersion);
    EXPECT_EQ(near.binding.size(), 32U);
    EXPECT_EQ(near.binding, far.binding);
    EXPECT_EQ(far.certificate.fingerprint(), c.client.identity.chain.front().fingerprint());
  }
}

CO_TEST(Link, BindingsDiffer) {
  const World world;
  Attempt first;
  Attempt second;
  co_await shake_hands({world.user()}, {world.node(kGateway)}, first);
  co_await shake_hands({world.user()}, {world.node(kGateway)}, second);
  CO_ASSERT_TRUE(first.dialled && second.dialled);
  EXPECT_NE((*first.dialled)->binding, (*second.dialled)->binding);
}

// Who must not get in, or must not be taken for the peer. The side that refuses is the one named.
CO_TEST(Link, RefusesWrongIdentities) {
  const World world;
  const World foreign;  // the same names, other authorities
  const auto victim = world.identity(world.users, {std::string(kUser)});
  const auto stranger = foreign.identity(foreign.users, {std::string(kUser)});
  auto filler =
      stranger.chain;  // proves its own key, and shows a certificate of ours, and ours and its authority, behind it
  filler.push_back(victim.chain.front());
  filler.push_back(world.users.certificate());
  filler.push_back(foreign.users.certificate());
  auto foreign_user = foreign.user();
  foreign_user.node_trust = {world.nodes.certificate()};
  auto foreign_gateway = foreign.node(kGateway);
  foreign_gateway.user_trust = {world.users.certificate()};
  auto expired = world.identity(world.users, {std::string(kUser)});
  World past;
  past.now -= 48h;
  const Authority old_users = Authority::create("users", Profile::kUser, past.now, 240h);
  const auto expired_leaf =
      old_users.issue({Profile::kUser, expired.key->public_key(), "x", {std::string(kUser)}, {}, {}, 1h}, past.now);
  CO_ASSERT_OK(expired_leaf);
  expired.chain = {*expired_leaf};
  auto trusts_old = world.node(kGateway);
  trusts_old.user_trust.push_back(old_users.certificate());
  // What a careless authority of ours might sign.
  const auto node_name_in_user_profile = world.identity(world.users, {std::string(kRelay)});
  const auto user_name_in_node_profile = world.identity(world.nodes, {std::string(kUser)});
  const auto two_names = world.identity(world.nodes, {std::string(kGateway), std::string(kRelay)});
  auto users_trusted_as_nodes = world.node(kGateway);
  users_trusted_as_nodes.node_trust.push_back(world.users.certificate());

  const Admit deny = [](const Certificate&) -> Result<> { return fail(Code::kDenied, "it was revoked"); };
  struct Case {
    std::string what;
    Dial dial;
    Serve serve;
  };
  const std::vector<Case> cases = {
      {"user on a node's purpose", {world.user(), Purpose::kNode}, {world.node(kGateway)}},
      {"user on a node's purpose, whose authority is trusted there",
       {world.user(), Purpose::kReverse},
       {users_trusted_as_nodes}},
      {"node on a user's purpose", {world.node(kRelay), Purpose::kUser}, {world.node(kGateway)}},
      {"another node answers", {world.user()}, {world.node(kRelay)}},
      {"a user answers as a node", {world.user()}, {world.of(world.identity(world.users, {std::string(kGateway)}))}},
      {"client of a foreign authority", {foreign_user}, {world.node(kGateway)}},
      {"server of a foreign authority", {world.user()}, {foreign_gateway}},
      {"a stranger first, one of us behind it", {world.of({filler, stranger.key})}, {world.node(kGateway)}},
      {"expired", {world.of(expired)}, {trusts_old}},
      {"a node's name in a user's certificate", {world.of(node_name_in_user_profile)}, {world.node(kGateway)}},
      {"a node's name in a user's certificate, whose authority is trusted there",
       {world.of(node_name_in_user_profile), Purpose::kReverse},
       {users_trusted_as_nodes}},
      {"a user's name in a node's certificate",
       {world.of(user_name_in_node_profile), Purpose::kNode},
       {world.node(kGateway)}},
      {"two names", {world.of(two_names), Purpose::kNode}, {world.node(kGateway)}},
      {"two names at the server", {world.user()}, {world.of(two_names)}},
      {"revoked", {world.user()}, {world.node(kGateway), {Purpose::kUser}, deny}},
      {"a purpose that is not served",
       {world.user(), Purpose::kInner},
       {world.node(kGateway), {Purpose::kUser, Purpose::kNode}}},
  };
  for (const Case& c : cases) {
    Attempt attempt;
    co_await shake_hands(c.dial, c.serve, attempt);
    EXPECT_FALSE(attempt.accepted && attempt.dialled) << c.what;
    // TLS 1.3 lets a client finish before the server has judged it, but the hello behind it never comes.
    EXPECT_FALSE(attempt.dialled) << c.what;
    const Error at_dialler = attempt.dialled ? Error{} : attempt.dialled.error();
    const Error at_acceptor = attempt.accepted ? Error{} : attempt.accepted.error();
    // The side that objects says why, and who is refused hears of it rather than of a broken connection.
    const std::string said = at_dialler.message + " / " + at_acceptor.message;
    EXPECT_NE(said.find("refused"), std::string::npos) << c.what << ": " << said;
    EXPECT_TRUE(at_dialler.code == Code::kUnauthenticated || at_dialler.code == Code::kProtocol)
        << c.what << ": " << said;
  }
}

// Who the peer is, is what it proved, whatever else it shows.
CO_TEST(Link, IdentityIsTheProvenLeaf) {
  const World world;
  const auto victim = world.identity(world.users, {std::string(kUser)});
  auto own = world.identity(world.users, {"spiffe://example.org/user/a-2/device/d-2"});
  EXPECT_FALSE(make_link_client(world.of({{victim.chain.front(), own.chain.front()}, own.key}), Purpose::kUser,
                                std::string(kGateway)));
  own.chain.push_back(victim.chain.front());
  std::string admitted;
  const Admit note = [&](const Certificate& leaf) -> Result<> {
    admitted = leaf.identity().value();
    return {};
  };
  Attempt attempt;
  co_await shake_hands({world.of(own)}, {world.node(kGateway), {Purpose::kUser}, note}, attempt);
  CO_ASSERT_OK(attempt.accepted);
  EXPECT_EQ(attempt.accepted->link.peer, "spiffe://example.org/user/a-2/device/d-2");
  EXPECT_EQ(admitted, attempt.accepted->link.peer);
}

CO_TEST(Link, NamesWhatIsWrong) {
  const World world;
  Attempt attempt;
  co_await shake_hands({world.user()}, {world.node(kRelay)}, attempt);
  CO_ASSERT_TRUE(!attempt.dialled);
  EXPECT_NE(attempt.dialled.error().message.find("n-relay"), std::string::npos) << attempt.dialled.error().message;
}

// Whichever worker of the cluster answers will do; or one of them only; and nobody else.
CO_TEST(Link, AClusterIsWantedByItsName) {
  const World world;
  const std::string cluster = "spiffe://example.org/cluster/c-1";
  const std::string first = "spiffe://example.org/node/n-1";
  const std::string second = "spiffe://example.org/node/n-2";
  struct Case {
    const char* what;
    std::vector<std::string> names;
    std::string wanted, worker;
    std::string reason;  // empty: it is taken
  };
  for (const Case& c : {Case{"any worker", {first, cluster}, cluster, "", ""},
                        Case{"this worker", {first, cluster}, cluster, first, ""},
                        Case{"another worker", {second, cluster}, cluster, first, std::string(kOtherWorker)},
                        Case{"another cluster", {first, "spiffe://example.org/cluster/c-2"}, cluster, "", "wrong_peer"},
                        Case{"a node of no cluster", {first}, cluster, "", "wrong_peer"},
                        Case{"a worker by its own name", {first, cluster}, first, "", ""},
                        Case{"a cluster where a node is wanted", {second, cluster}, first, "", "wrong_peer"}}) {
    Attempt attempt;
    co_await shake_hands({world.user(), Purpose::kInner, c.wanted, c.worker},
                         {world.of(world.identity(world.nodes, c.names))}, attempt);
    EXPECT_EQ(attempt.dialled ? "" : attempt.dialled.error().reason, c.reason) << c.what;
    if (attempt.dialled) EXPECT_EQ((*attempt.dialled)->peer, c.names.front()) << c.what;
  }
}

CO_TEST(Link, SilentPeerCostsOnlyItsTime) {
  const World world;
  const auto server = make_link_server(world.node(kGateway), {Purpose::kUser}, admit_all);
  CO_ASSERT_OK(server);
  auto [near, far] = net::memory_pair(co_await net::this_executor());
  const auto accepted = co_await accept_link(std::move(far), *server, LinkOptions{.handshake_limit = 30ms});
  CO_ASSERT_ERROR(accepted, Code::kTimeout);
}

TEST(Link, NeedsAuthorities) {
  const World world;
  LinkIdentity bare = world.node(kGateway);
  bare.user_trust.clear();
  EXPECT_FALSE(make_link_server(bare, {Purpose::kUser}, admit_all));
  EXPECT_TRUE(make_link_server(bare, {Purpose::kNode}, admit_all));
  bare.node_trust.clear();
  EXPECT_FALSE(make_link_client(bare, Purpose::kNode, std::string(kRelay)));
  EXPECT_FALSE(make_link_client(world.user(), Purpose::kUser, "n-gateway"));
}

// ---- streams over links ----

net::Task<> serve_echo(std::unique_ptr<MuxStream> stream) {
  while (true) {
    const auto buffer = co_await net::read(*stream);
    if (!buffer) co_return;
    if (buffer->empty()) break;
    const auto sent = co_await net::write(*stream, buffer->data());
    if (!sent) co_return;
  }
  const auto finished = co_await net::finish(*stream, kSoon);
}

// Accepts every stream and sends back what comes.
Mux::OnIncoming echo(net::TaskGroup& tasks) {
  return [&tasks](std::unique_ptr<Incoming> request) { tasks.spawn("echo", serve_echo(request->accept())); };
}

net::Task<> send_all(net::Stream& stream, const Bytes& bytes, bool& good) {
  const auto sent = co_await net::write(stream, bytes);
  if (!sent) co_return;
  const auto finished = co_await net::finish(stream, kSoon);
  good = finished.has_value();
}

net::Task<bool> echoes(std::unique_ptr<MuxStream> stream, Bytes bytes) {
  net::TaskGroup tasks(stream->executor());
  bool sent = false;
  tasks.spawn("send", send_all(*stream, bytes, sent));
  const auto back = co_await read_all(*stream);
  co_await tasks.join();
  EXPECT_TRUE(back.has_value()) << net::testing::describe_failure(back);
  co_return sent&& back&& crypto::sha256(*back) == crypto::sha256(bytes);
}

CO_TEST(Link, ReverseLinkIsOpenedByTheAcceptor) {
  const net::Executor executor = co_await net::this_executor();
  const World world;
  net::TaskGroup tasks(executor);
  const auto client = make_link_client(world.node(kRelay), Purpose::kReverse, std::string(kGateway));
  const auto server = make_link_server(world.node(kGateway), {Purpose::kReverse}, admit_all);
  CO_ASSERT_TRUE(client && server);
  auto [near, far] = net::memory_pair(executor);
  Result<AcceptedLink> accepted = fail(Code::kInternal, "not run");
  tasks.spawn("accept", run_accept(std::move(far), *server, {}, accepted));
  auto relay = co_await dial_link(std::move(near), *client, Purpose::kReverse, {}, echo(tasks), nullptr);
  CO_ASSERT_OK(relay);
  while (!accepted) co_await net::yield_to_loop();
  const auto gateway = start_mux(std::move(*accepted), {}, nullptr, nullptr);
  EXPECT_FALSE((*relay)->mux->open({"n-x"}).has_value());
  auto stream = gateway->mux->open({"n-relay"});
  CO_ASSERT_OK(stream);
  const bool whole = co_await echoes(std::move(*stream), Bytes(300'000, std::byte{5}));
  EXPECT_TRUE(whole);
  tasks.cancel();
  co_await tasks.join();
}

CO_TEST(Link, WorksOverTcp) {
  const net::Executor executor = co_await net::this_executor();
  const World world;
  net::TaskGroup tasks(executor);
  const auto client = make_link_client(world.user(), Purpose::kUser, std::string(kGateway));
  const auto server = make_link_server(world.node(kGateway), {Purpose::kUser}, admit_all);
  CO_ASSERT_TRUE(client && server);
  Result<AcceptedLink> accepted = fail(Code::kInternal, "not run");
  auto listener = net::listen_tcp(executor, {"127.0.0.1", 0}, [&](std::unique_ptr<net::TcpStream> stream) {
    tasks.spawn("accept", run_accept(std::move(stream), *server, {}, accepted));
  });
  CO_ASSERT_OK(listener);
  auto tcp = co_await net::dial_tcp((*listener)->local(), kSoon);
  CO_ASSERT_OK(tcp);
  auto link = co_await dial_link(std::move(*tcp), *client, Purpose::kUser, {}, nullptr, nullptr);
  CO_ASSERT_OK(link);
  while (!accepted) co_await net::yield_to_loop();
  auto gateway = start_mux(std::move(*accepted), {}, echo(tasks), nullptr);
  std::mt19937 random(3);
  for (int i = 0; i < 4; ++i) {
    auto stream = (*link)->mux->open({"n-x"});
    CO_ASSERT_OK(stream);
    const bool whole = co_await echoes(std::move(*stream), random_bytes(random, random() % 2'000'000));
    EXPECT_TRUE(whole);
  }
  // The end of the process behind it is seen at once.
  gateway.reset();
  auto late = (*link)->mux->open({"n-x"});
  if (late) {
    const auto answered = co_await (*late)->answered(kSoon);
    EXPECT_FALSE(answered.has_value());
  }
  tasks.cancel();
  co_await tasks.join();
}

// client — gateway — relay: an inner link from client to relay as a stream of outer links, joined at the gateway, which
// sees TLS records only. The gateway's part of it is a stand-in for node/, with the same pieces.
struct Path {
  explicit Path(const net::Executor& executor) : tasks(executor) {}
  World world;
  std::unique_ptr<Link> client_link, gateway_user_link, gateway_relay_link, relay_link;
  std::size_t inner_handshakes = 0;
  Bytes seen;  // by the gateway
  std::vector<std::unique_ptr<Link>> inner;
  net::TaskGroup tasks;
};

class Witness final : public net::Inspector {
 public:
  explicit Witness(Bytes& seen) : seen_(seen) {}
  Result<> inspect(net::Direction, ByteView bytes) override {
    seen_.insert(seen_.end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  Bytes& seen_;
};

net::Task<> forward(Path& path, std::unique_ptr<Incoming> request) {
  auto onward = path.gateway_relay_link->mux->open({request->request().authority, {}});
  if (!onward) {
    request->refuse(onward.error());
    co_return;
  }
  const auto answered = co_await (*onward)->answered(kSoon);
  if (!answered) {
    request->refuse(answered.error());
    co_return;
  }
  const auto here = request->accept();
  Witness witness(path.seen);
  const auto joined = co_await net::join(*here, **onward, net::JoinOptions{.inspector = &witness});
}

net::Task<> serve_inner(Path& path, std::unique_ptr<Incoming> request, std::shared_ptr<const net::TlsServer> tls) {
  auto accepted = co_await accept_link(request->accept(), tls, {});
  EXPECT_TRUE(accepted.has_value()) << net::testing::describe_failure(accepted);
  if (!accepted) co_return;
  ++path.inner_handshakes;
  EXPECT_EQ(accepted->link.peer, kUser);
  path.inner.push_back(start_mux(std::move(*accepted), {}, echo(path.tasks), nullptr));
}

// One outer link over memory: dialler first.
net::Task<std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>>> outer_link(const World& world, LinkIdentity dialler,
                                                                              Purpose purpose,
                                                                              Mux::OnIncoming at_dialler,
                                                                              Mux::OnIncoming at_acceptor) {
  const net::Executor executor = co_await net::this_executor();
  net::TaskGroup tasks(executor);
  auto [near, far] = net::memory_pair(executor);
  const auto client = make_link_client(dialler, purpose, std::string(kGateway));
  const auto server = make_link_server(world.node(kGateway), {purpose}, admit_all);
  Result<AcceptedLink> accepted = fail(Code::kInternal, "not run");
  tasks.spawn("accept", run_accept(std::move(far), *server, {}, accepted));
  auto dialled = co_await dial_link(std::move(near), *client, purpose, {}, std::move(at_dialler), nullptr);
  co_await tasks.join();
  EXPECT_TRUE(dialled && accepted) << net::testing::describe_failure(dialled);
  co_return std::pair(std::move(*dialled), start_mux(std::move(*accepted), {}, std::move(at_acceptor), nullptr));
}

CO_TEST(Link, InnerLinkThroughAGateway) {
  const net::Executor executor = co_await net::this_executor();
  Path path(executor);
  const auto inner_server = make_link_server(path.world.node(kRelay), {Purpose::kInner}, admit_all);
  CO_ASSERT_OK(inner_server);
  auto reverse = co_await outer_link(
      path.world, path.world.node(kRelay), Purpose::kReverse,
      [&](std::unique_ptr<Incoming> request) {
        path.tasks.spawn("inner", serve_inner(path, std::move(request), *inner_server));
      },
      nullptr);
  path.relay_link = std::move(reverse.first);
  path.gateway_relay_link = std::move(reverse.second);
  auto user = co_await outer_link(
      path.world, path.world.user(), Purpose::kUser, nullptr,
      [&](std::unique_ptr<Incoming> request) { path.tasks.spawn("forward", forward(path, std::move(request))); });
  path.client_link = std::move(user.first);
  path.gateway_user_link = std::move(user.second);

  auto way = path.client_link->mux->open({"n-relay"});
  CO_ASSERT_OK(way);
  const auto tls = make_link_client(path.world.user(), Purpose::kInner, std::string(kRelay));
  CO_ASSERT_OK(tls);
  const auto inner = co_await dial_link(std::move(*way), *tls, Purpose::kInner, {}, nullptr, nullptr);
  CO_ASSERT_OK(inner);
  EXPECT_EQ((*inner)->peer, kRelay);

  std::mt19937 random(11);
  const std::string marker = "this must not be seen by the gateway";
  for (int i = 0; i < 100; ++i) {
    auto stream = (*inner)->mux->open({"rs-1"});
    CO_ASSERT_OK(stream);
    Bytes bytes = random_bytes(random, i == 0 ? 3'000'000 : random() % 3'000);
    bytes.insert(bytes.end(), as_bytes(marker).begin(), as_bytes(marker).end());
    const bool whole = co_await echoes(std::move(*stream), std::move(bytes));
    EXPECT_TRUE(whole) << i;
  }
  EXPECT_EQ(path.inner_handshakes, 1U);
  EXPECT_GT(path.seen.size(), 6'000'000U);
  EXPECT_EQ(as_text(path.seen).find(marker), std::string_view::npos);
  EXPECT_EQ(as_text(path.seen).find("CONNECT"), std::string_view::npos);
  path.tasks.cancel();
  co_await path.tasks.join();
}

}  // namespace
}  // namespace portolan::tunnel
