// For tests: authorities, certificates and shaken connections.
#pragma once
#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"
#include "net/memory_stream.h"
#include "net/tcp.h"
#include "net/test_bytes.h"
#include "net/tls.h"

namespace portolan::net::testing {

using crypto::Authority;
using crypto::Certificate;
using crypto::PrivateKey;
using crypto::Profile;

inline const std::string kNode = "spiffe://example/node/n-1";
inline const std::string kUser = "spiffe://example/user/a-1/device/d-1";

inline WallTime now() { return Clock::real().wall(); }

// Three authorities, and what they issue.
struct Pki {
  WallTime at;
  Authority users, nodes, servers;

  explicit Pki(WallTime when = now())
      : at(when),
        users(Authority::create("users", Profile::kUser, when, std::chrono::hours(24))),
        nodes(Authority::create("nodes", Profile::kNode, when, std::chrono::hours(24))),
        servers(Authority::create("servers", Profile::kServer, when, std::chrono::hours(24))) {}

  TlsIdentity issue(const Authority& by, crypto::CertificateRequest request) const {
    const auto key = PrivateKey::generate();
    request.profile = by.profile();
    request.key = key.public_key();
    auto leaf = by.issue(request, at);
    EXPECT_TRUE(leaf) << describe_failure(leaf);
    return {{*leaf}, std::make_shared<const PrivateKey>(key)};
  }
  static crypto::CertificateRequest request(Profile profile) {
    return {.profile = profile, .key = crypto::PublicKey(nullptr), .common_name = "test"};
  }
  TlsIdentity user() const {
    auto wanted = request(Profile::kUser);
    wanted.uris = {kUser};
    return issue(users, wanted);
  }
  TlsIdentity node() const {
    auto wanted = request(Profile::kNode);
    wanted.uris = {kNode};
    return issue(nodes, wanted);
  }
  TlsIdentity server() const {
    auto wanted = request(Profile::kServer);
    wanted.dns_names = {"cp.example"};
    wanted.addresses = {"127.0.0.1", "::1"};
    return issue(servers, wanted);
  }

  // A node as server that takes users, and a user as client that takes nodes.
  TlsServerPurpose server_options() const {
    TlsServerPurpose purpose;
    purpose.alpn = {"portolan-user"};
    purpose.identity = node();
    purpose.require_client_certificate = true;
    purpose.client_trust = {users.certificate()};
    return purpose;
  }
  TlsClientOptions client_options() const {
    TlsClientOptions options;
    options.alpn = {"portolan-user"};
    options.identity = user();
    options.trust = {nodes.certificate()};
    return options;
  }
};

// Both ends of one connection, or why there is none. A client of TLS 1.3 has shaken hands before the server has judged
// it: what the server says then comes with the first read.
struct Shaken {
  Result<std::unique_ptr<TlsStream>> client = fail(Code::kInternal, "not tried");
  Result<std::unique_ptr<TlsStream>> server = fail(Code::kInternal, "not tried");
  bool both() const { return client.has_value() && server.has_value(); }
};

inline Task<> connect_and_note(std::shared_ptr<const TlsClient> client, std::unique_ptr<Stream> below,
                               Result<std::unique_ptr<TlsStream>>& result) {
  result = co_await client->connect(std::move(below), std::chrono::seconds(5));
  if (!result) co_return;
  auto first = co_await with_timeout(wait_readable(**result), std::chrono::milliseconds(50));
  if (!first) co_return;
  auto chunk = (*result)->try_read();
  if (!chunk) result = std::unexpected(chunk.error());
}

inline Task<> accept_and_note(std::shared_ptr<const TlsServer> server, std::unique_ptr<Stream> below,
                              Result<std::unique_ptr<TlsStream>>& result) {
  result = co_await server->accept(std::move(below), std::chrono::seconds(5));
}

inline Task<> shake_pair(std::shared_ptr<const TlsClient> client, std::shared_ptr<const TlsServer> server,
                         StreamPair below, Shaken& shaken) {
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("client", connect_and_note(std::move(client), std::move(below.first), shaken.client));
  group.spawn("server", accept_and_note(std::move(server), std::move(below.second), shaken.server));
  co_await group.join();
}

inline Task<> shake(TlsClientOptions client_options, std::vector<TlsServerPurpose> purposes, Shaken& shaken) {
  auto client = TlsClient::make(std::move(client_options));
  CO_ASSERT_OK(client);
  auto server = TlsServer::make(std::move(purposes));
  CO_ASSERT_OK(server);
  auto pair = memory_pair(co_await boost::asio::this_coro::executor);
  co_await shake_pair(*client, *server, std::move(pair), shaken);
}

// Sends much both ways at once and compares.
inline Task<> exchange(Stream& a, Stream& b, std::size_t size) {
  Digest there, back, there_sent, back_sent;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("there", send_random(a, size, 11, there_sent));
  group.spawn("there end", receive_all(b, there));
  group.spawn("back", send_random(b, size, 12, back_sent));
  group.spawn("back end", receive_all(a, back));
  co_await group.join();
  EXPECT_EQ(there.size, size);
  EXPECT_EQ(there.hash(), there_sent.hash());
  EXPECT_EQ(back.hash(), back_sent.hash());
}

}  // namespace portolan::net::testing
