// Who is let in by TLS, who is not, and what is said then.
#include <boost/asio/this_coro.hpp>

#include "net/test_tls.h"
#include "net/tls_context.h"
#include "net/tls_shake.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;
using boost::asio::this_coro::executor;
using crypto::Authority;
using crypto::Certificate;
using crypto::Profile;
using testing::Pki;
using testing::Shaken;

std::vector<TlsServerPurpose> one(TlsServerPurpose purpose) {
  std::vector<TlsServerPurpose> purposes;
  purposes.push_back(std::move(purpose));
  return purposes;
}

// Shakes hands with these options and looks at the refusal: `refuser` says the reason, the other end hears an alert.
enum class Refuser { kClient, kServer };

Task<> expect_refusal(TlsClientOptions client, TlsServerPurpose server, Refuser refuser, Code code,
                      std::string reason) {
  Shaken shaken;
  co_await testing::shake(std::move(client), one(std::move(server)), shaken);
  const auto& said = refuser == Refuser::kClient ? shaken.client : shaken.server;
  const auto& heard = refuser == Refuser::kClient ? shaken.server : shaken.client;
  CO_ASSERT_TRUE(!said);
  EXPECT_EQ(said.error().code, code) << said.error().message;
  EXPECT_NE(said.error().message.find(reason), std::string::npos) << said.error().message;
  CO_ASSERT_TRUE(!heard);
  EXPECT_NE(heard.error().message.find("the peer refused: "), std::string::npos) << heard.error().message;
}

constexpr auto kUnproven = Code::kUnauthenticated;

CO_TEST(TlsVerify, AServerOfAForeignAuthority) {
  const Pki pki, foreign;
  auto server = pki.server_options();
  server.identity = foreign.node();
  co_await expect_refusal(pki.client_options(), std::move(server), Refuser::kClient, kUnproven, "certificate");
}

CO_TEST(TlsVerify, AClientOfAForeignAuthority) {
  const Pki pki, foreign;
  auto client = pki.client_options();
  client.identity = foreign.user();
  co_await expect_refusal(std::move(client), pki.server_options(), Refuser::kServer, kUnproven, "certificate");
}

CO_TEST(TlsVerify, AClientOfAnotherAuthorityOfOurs) {
  const Pki pki;
  auto client = pki.client_options();
  client.identity = pki.node();
  co_await expect_refusal(std::move(client), pki.server_options(), Refuser::kServer, kUnproven, "certificate");
}

CO_TEST(TlsVerify, AServerWithAUsersCertificate) {
  const Pki pki;
  auto server = pki.server_options();
  server.identity = pki.user();
  auto client = pki.client_options();
  client.trust = {pki.users.certificate()};
  co_await expect_refusal(std::move(client), std::move(server), Refuser::kClient, kUnproven, "purpose");
}

CO_TEST(TlsVerify, AClientWithAServersCertificate) {
  const Pki pki;
  auto client = pki.client_options();
  client.identity = pki.server();
  auto server = pki.server_options();
  server.client_trust = {pki.servers.certificate()};
  co_await expect_refusal(std::move(client), std::move(server), Refuser::kServer, kUnproven, "purpose");
}

// The authority itself is no leaf.
CO_TEST(TlsVerify, AnAuthorityAsServer) {
  const Pki pki;
  auto server = pki.server_options();
  server.identity = {{pki.nodes.certificate()}, std::make_shared<const crypto::PrivateKey>(pki.nodes.key())};
  auto client = pki.client_options();
  client.accept_peer = [](const crypto::Certificate& leaf) -> Result<> {
    if (!leaf.has_profile(crypto::Profile::kNode)) return fail(Code::kUnauthenticated, "no node certificate");
    return {};
  };
  Shaken shaken;
  co_await testing::shake(std::move(client), one(std::move(server)), shaken);
  CO_ASSERT_ERROR(shaken.client, kUnproven);
}

CO_TEST(TlsVerify, AnExpiredServer) {
  const Pki pki(testing::now() - 2h);
  co_await expect_refusal(pki.client_options(), pki.server_options(), Refuser::kClient, kUnproven, "expired");
}

CO_TEST(TlsVerify, AnExpiredClient) {
  const Pki past(testing::now() - 2h), pki;
  auto client = pki.client_options();
  client.identity = past.user();
  auto server = pki.server_options();
  server.client_trust = {past.users.certificate()};
  co_await expect_refusal(std::move(client), std::move(server), Refuser::kServer, kUnproven, "expired");
}

CO_TEST(TlsVerify, AServerFromTheFuture) {
  const Pki pki(testing::now() + 1h);
  co_await expect_refusal(pki.client_options(), pki.server_options(), Refuser::kClient, kUnproven, "not yet valid");
}

CO_TEST(TlsVerify, AClientWithoutACertificate) {
  const Pki pki;
  auto client = pki.client_options();
  client.identity.reset();
  co_await expect_refusal(std::move(client), pki.server_options(), Refuser::kServer, kUnproven,
                          "showed no certificate");
}

// Identity is the leaf alone, whatever good certificates come after it (GHSA-mrpr-756c-xm47).
CO_TEST(TlsVerify, AStrangersLeafWithAGoodOneBehind) {
  const Pki pki, stranger;
  auto client = pki.client_options();
  auto chain = stranger.user();
  chain.chain.push_back(pki.user().chain[0]);
  chain.chain.push_back(pki.users.certificate());
  client.identity = chain;
  co_await expect_refusal(std::move(client), pki.server_options(), Refuser::kServer, kUnproven, "certificate");
}

CO_TEST(TlsVerify, AGoodLeafWithAStrangersBehind) {
  const Pki pki, stranger;
  auto client = pki.client_options();
  client.identity->chain.push_back(stranger.node().chain[0]);
  Shaken shaken;
  co_await testing::shake(std::move(client), one(pki.server_options()), shaken);
  CO_ASSERT_OK(shaken.server);
  EXPECT_EQ((*shaken.server)->peer()->identity().value_or(""), testing::kUser);
}

TEST(TlsVerify, AGoodLeafWithoutItsKeyCannotEvenBeSetUp) {
  const Pki pki;
  auto client = pki.client_options();
  client.identity->key = std::make_shared<const crypto::PrivateKey>(crypto::PrivateKey::generate());
  const auto made = TlsClient::make(std::move(client));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kInvalid);
}

CO_TEST(TlsVerify, TheClientWantsOneIdentityOnly) {
  const Pki pki;
  auto client = pki.client_options();
  client.accept_peer = [](const crypto::Certificate& leaf) -> Result<> {
    const auto name = leaf.identity().value_or("");
    if (name != "spiffe://example/node/n-2") return fail(Code::kDenied, "peer is " + quoted(name));
    return {};
  };
  co_await expect_refusal(std::move(client), pki.server_options(), Refuser::kClient, Code::kDenied,
                          "peer is \"" + testing::kNode);
}

CO_TEST(TlsVerify, TheServerHasTheLastWord) {
  const Pki pki;
  auto server = pki.server_options();
  server.accept_peer = [](const crypto::Certificate&) -> Result<> { return fail(Code::kDenied, "on the deny list"); };
  co_await expect_refusal(pki.client_options(), std::move(server), Refuser::kServer, Code::kDenied, "on the deny list");
}

CO_TEST(TlsVerify, AnExceptionInTheLastWordRefuses) {
  const Pki pki;
  auto server = pki.server_options();
  server.accept_peer = [](const crypto::Certificate&) -> Result<> { throw std::runtime_error("bug"); };
  co_await expect_refusal(pki.client_options(), std::move(server), Refuser::kServer, Code::kInternal, "bug");
}

CO_TEST(TlsVerify, NobodyIsAskedAboutAnUnprovenPeer) {
  const Pki pki, foreign;
  bool asked = false;
  auto server = pki.server_options();
  server.accept_peer = [&](const crypto::Certificate&) -> Result<> {
    asked = true;
    return {};
  };
  auto client = pki.client_options();
  client.identity = foreign.user();
  co_await expect_refusal(std::move(client), std::move(server), Refuser::kServer, kUnproven, "its issuer is \"users\"");
  EXPECT_FALSE(asked);
}

CO_TEST(TlsVerify, NamesAndAddresses) {
  const Pki pki;
  struct Case {
    std::string host;
    bool good;
  };
  const Case cases[] = {{"cp.example", true},     {"CP.EXAMPLE", true}, {"127.0.0.1", true},       {"::1", true},
                        {"other.example", false}, {"127.0.0.2", false}, {"sub.cp.example", false}, {"", true}};
  for (const auto& each : cases) {
    TlsServerPurpose server;
    server.identity = pki.server();
    TlsClientOptions client;
    client.trust = {pki.servers.certificate()};
    client.verify_host = each.host;
    Shaken shaken;
    co_await testing::shake(std::move(client), one(std::move(server)), shaken);
    EXPECT_EQ(shaken.client.has_value(), each.good) << each.host << " " << testing::describe_failure(shaken.client);
    if (!each.good && !shaken.client) EXPECT_NE(shaken.client.error().message.find("mismatch"), std::string::npos);
  }
}

CO_TEST(TlsVerify, SwitchedOffItProvesNobody) {
  const Pki pki;
  TlsServerPurpose server;
  server.identity = pki.server();
  TlsClientOptions client;
  client.verify_chain = false;
  client.versions = TlsVersions::k12And13;
  Shaken shaken;
  co_await testing::shake(std::move(client), one(std::move(server)), shaken);
  CO_ASSERT_OK(shaken.client);
  EXPECT_FALSE((*shaken.client)->peer());
  CO_ASSERT_OK(shaken.server);
  EXPECT_FALSE((*shaken.server)->peer());
}

TEST(TlsVerify, OptionsThatCannotBeMeant) {
  const Pki pki;
  EXPECT_FALSE(TlsClient::make({}));  // nobody to trust
  auto client = pki.client_options();
  client.server_name = "127.0.0.1";
  EXPECT_FALSE(TlsClient::make(client));
  client = pki.client_options();
  client.alpn = {""};
  EXPECT_FALSE(TlsClient::make(client));
  EXPECT_FALSE(TlsServer::make({}));
  auto server = pki.server_options();
  server.client_trust.clear();
  EXPECT_FALSE(TlsServer::make(one(server)));
  server = pki.server_options();
  server.identity = {};
  EXPECT_FALSE(TlsServer::make(one(server)));
}

// Two purposes by protocol, and two by name.
std::vector<TlsServerPurpose> several(const Pki& pki) {
  std::vector<TlsServerPurpose> purposes;
  purposes.push_back(pki.server_options());
  TlsServerPurpose nodes = pki.server_options();
  nodes.alpn = {"portolan-node", "portolan-reverse"};
  nodes.client_trust = {pki.nodes.certificate()};
  purposes.push_back(nodes);
  TlsServerPurpose open;
  open.alpn = {"h2", "http/1.1"};
  open.identity = pki.server();
  purposes.push_back(open);
  open.alpn = {};
  purposes.push_back(open);
  TlsServerPurpose internal = pki.server_options();
  internal.alpn = {"portolan-control", "h2"};
  internal.server_name = "internal.portolan";
  purposes.push_back(internal);
  return purposes;
}

CO_TEST(TlsPurpose, IsChosenByProtocolAndName) {
  const Pki pki;
  struct Case {
    std::vector<std::string> alpn;
    std::string name;
    std::optional<TlsIdentity> identity;
    std::string expected;  // the protocol that is chosen, or "-" for a refusal
    bool is_node;          // the server shows its node certificate
  };
  const Case cases[] = {
      {{"portolan-user"}, "", pki.user(), "portolan-user", true},
      {{"portolan-user"}, "", pki.node(), "-", true},
      {{"portolan-node"}, "", pki.node(), "portolan-node", true},
      {{"portolan-node"}, "", pki.user(), "-", true},
      {{"portolan-reverse"}, "any.example", pki.node(), "portolan-reverse", true},
      {{"http/1.1", "h2"}, "", {}, "h2", false},
      {{"http/1.1"}, "cp.example", {}, "http/1.1", false},
      {{}, "", {}, "", false},
      {{"portolan-control"}, "internal.portolan", pki.user(), "portolan-control", true},
      {{"portolan-control"}, "Internal.Portolan", pki.user(), "portolan-control", true},
      {{"portolan-control"}, "", pki.user(), "-", true},
      {{"portolan-control"}, "other.portolan", pki.user(), "-", true},
      {{"h2"}, "internal.portolan", pki.user(), "h2", true},
      {{"h2"}, "internal.portolan", {}, "-", true},
      {{"unknown"}, "", pki.user(), "-", true},
  };
  for (const auto& each : cases) {
    TlsClientOptions client;
    client.alpn = each.alpn;
    client.server_name = each.name;
    client.identity = each.identity;
    client.trust = {pki.nodes.certificate(), pki.servers.certificate()};
    Shaken shaken;
    co_await testing::shake(std::move(client), several(pki), shaken);
    const auto label = (each.alpn.empty() ? "" : each.alpn[0]) + " at " + each.name;
    const bool refused = each.expected == "-";
    EXPECT_EQ(shaken.both(), !refused) << label << ": " << testing::describe_failure(shaken.client);
    if (refused || !shaken.both()) continue;
    EXPECT_EQ((*shaken.client)->alpn(), each.expected) << label;
    EXPECT_EQ((*shaken.server)->alpn(), each.expected) << label;
    EXPECT_EQ((*shaken.server)->server_name(), each.name) << label;
    EXPECT_EQ((*shaken.client)->peer()->has_profile(crypto::Profile::kNode), each.is_node) << label;
    EXPECT_EQ((*shaken.server)->peer().has_value(), each.identity.has_value()) << label;
  }
}

CO_TEST(TlsPurpose, NothingThatFitsIsRefusedInWords) {
  const Pki pki;
  auto client = pki.client_options();
  client.alpn = {"odd"};
  co_await expect_refusal(std::move(client), pki.server_options(), Refuser::kServer, Code::kProtocol,
                          "nothing here serves protocol \"odd\"");
}

CO_TEST(TlsPurpose, TheServerMustChooseWhatWasOffered) {
  const Pki pki;
  // A server that knows nothing of ALPN.
  auto context = std::make_shared<TlsContext>(make_context(TLS_server_method(), TlsVersions::kOnly13));
  auto set = set_identity(**context, pki.node());
  CO_ASSERT_OK(set);
  auto client = TlsClient::make(pki.client_options());
  CO_ASSERT_OK(client);
  auto [a, b] = memory_pair(co_await executor);
  auto serve = [](std::shared_ptr<TlsContext> with, std::unique_ptr<Stream> below) -> Task<> {
    auto connection = std::make_unique<TlsConnection>(**with, TlsRole::kServer, std::move(below));
    auto shaken = co_await shake_hands(with, std::move(connection), 1s);
    CO_ASSERT_OK(shaken);
  };
  TaskGroup group(co_await executor);
  group.spawn("server", serve(context, std::move(b)));
  auto connected = co_await (*client)->connect(std::move(a), 1s);
  CO_ASSERT_ERROR(connected, Code::kProtocol);
  co_await group.join();
}

Task<> connect_in_vain(std::shared_ptr<const TlsClient> client, std::unique_ptr<Stream> below,
                       Result<std::unique_ptr<TlsStream>>& result) {
  result = co_await client->connect(std::move(below), 50ms);
}

CO_TEST(TlsHandshake, AStalledOneEndsAtItsLimit) {
  const Pki pki;
  auto server = TlsServer::make(one(pki.server_options()));
  CO_ASSERT_OK(server);
  auto [a, b] = memory_pair(co_await executor);
  auto accepted = co_await (*server)->accept(std::move(b), 30ms);
  CO_ASSERT_ERROR(accepted, Code::kTimeout);
  EXPECT_EQ(accepted.error().message, "tls handshake with memory: timed out after 30ms");
  auto gone = co_await read(*a);
  CO_ASSERT_ERROR(gone, Code::kIo);
  // one that has begun
  auto client = TlsClient::make(pki.client_options());
  CO_ASSERT_OK(client);
  auto [c, d] = memory_pair(co_await executor);
  Result<std::unique_ptr<TlsStream>> connected;
  TaskGroup group(co_await executor);
  group.spawn("client", connect_in_vain(*client, std::move(c), connected));
  auto hello = co_await read(*d);
  CO_ASSERT_OK(hello);
  EXPECT_GT(hello->size(), 100U);
  co_await group.join();
  CO_ASSERT_ERROR(connected, Code::kTimeout);
}

CO_TEST(TlsHandshake, CanBeCancelled) {
  const Pki pki;
  auto client = TlsClient::make(pki.client_options());
  CO_ASSERT_OK(client);
  auto [a, b] = memory_pair(co_await executor);
  Result<std::unique_ptr<TlsStream>> connected;
  TaskGroup group(co_await executor);
  group.spawn("client", connect_in_vain(*client, std::move(a), connected));
  auto hello = co_await read(*b);
  CO_ASSERT_OK(hello);
  group.cancel();
  co_await group.join();
  CO_ASSERT_ERROR(connected, Code::kCancelled);
}

CO_TEST(TlsHandshake, SomethingElseThanTls) {
  const Pki pki;
  auto server = TlsServer::make(one(pki.server_options()));
  CO_ASSERT_OK(server);
  for (const std::string greeting :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x16\x03\x01\x02"}) {
    auto [a, b] = memory_pair(co_await executor);
    auto wrote = co_await write(*a, as_bytes(greeting));
    CO_ASSERT_OK(wrote);
    auto ended = a->shutdown_send();
    CO_ASSERT_OK(ended);
    auto accepted = co_await (*server)->accept(std::move(b), 1s);
    EXPECT_FALSE(accepted);
    if (accepted) co_return;
    const auto code = accepted.error().code;
    EXPECT_EQ(code, greeting.size() == 4 ? Code::kEof : Code::kProtocol) << accepted.error().message;
  }
}

// While an authority is replaced: who says what they trust gets that; who says nothing, or nothing that is there, gets
// what everybody knew before.
CO_TEST(TlsVerify, AServerWithTwoAuthoritiesShowsTheOneThatIsTrusted) {
  const Pki pki, next;
  const Authority named_anew = Authority::create("nodes anew", Profile::kNode, pki.at, 24h);
  auto wanted = Pki::request(Profile::kNode);
  wanted.uris = {testing::kNode};
  struct Case {
    std::vector<Certificate> trust;
    bool tell;
    const Authority* shown;  // null: refused
  };
  const Case cases[] = {{{named_anew.certificate()}, true, &named_anew},
                        {{pki.nodes.certificate()}, true, &pki.nodes},
                        {{pki.nodes.certificate(), named_anew.certificate()}, true, &named_anew},
                        {{pki.nodes.certificate()}, false, &pki.nodes},
                        {{named_anew.certificate()}, false, nullptr},
                        {{next.users.certificate()}, true, nullptr}};
  for (const auto& each : cases) {
    auto server = pki.server_options();
    server.for_telling_clients = {pki.issue(named_anew, wanted), server.identity};
    auto client = pki.client_options();
    client.trust = each.trust;
    client.tell_trust = each.tell;
    Shaken shaken;
    co_await testing::shake(std::move(client), one(std::move(server)), shaken);
    CO_ASSERT_EQ(shaken.both(), each.shown != nullptr);
    if (!each.shown) {
      EXPECT_EQ(shaken.client.error().reason, kUnknownAuthority);
      continue;
    }
    EXPECT_TRUE(crypto::is_issued_by(*(*shaken.client)->peer(), each.shown->certificate()));
  }
}

}  // namespace
}  // namespace portolan::net
