#include "protocols/postgres/entrance.h"

#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

// An entrance at one end of a memory pair.
struct Entering {
  explicit Entering(const net::Executor& executor, bool offers_tls = true) : group(executor) {
    auto [ours, theirs] = net::memory_pair(executor);
    client = std::move(ours);
    entrance =
        std::make_unique<Entrance>(std::move(theirs), Entrance::Tls{.offered = offers_tls, .resource = "billing-db"});
    group.spawn("enter", enter(*entrance, outcome));
  }
  static net::Task<> enter(Entrance& entrance, std::optional<Result<Arrival>>& outcome) {
    outcome = co_await net::with_timeout(entrance.receive(), 5s);
  }
  net::Task<> send(std::string bytes) {
    const auto sent = co_await net::write(*client, as_bytes(bytes));
    EXPECT_TRUE(sent);
  }
  net::Task<std::string> answer() {
    net::Reader reader(*client);
    const auto got = co_await reader.take(1);
    co_return got ? text_of(*got) : "end";
  }
  // The client's side of TLS; the certificate is not looked at.
  net::Task<Result<std::unique_ptr<net::TlsStream>>> start_tls(std::vector<std::string> alpn) {
    net::TlsClientOptions options;
    options.versions = net::TlsVersions::k12And13;
    options.verify_chain = false;
    options.alpn = std::move(alpn);
    CO_TRY(const auto tls, net::TlsClient::make(std::move(options)));
    co_return co_await tls->connect(std::move(client), 5s);
  }
  // Until it is in or turned away.
  net::Task<> over() {
    co_await group.join();
    EXPECT_TRUE(outcome.has_value());
  }

  std::unique_ptr<net::Stream> client;
  std::unique_ptr<Entrance> entrance;
  std::optional<Result<Arrival>> outcome;
  net::TaskGroup group;
};

const std::string kStart = startup({{"user", "alice"}});

CO_TEST(Entrance, TlsThatIsNotOffered) {
  Entering in(co_await net::this_executor(), false);
  co_await in.send(text_of(ssl_request()));
  const std::string answer = co_await in.answer();
  EXPECT_EQ(answer, "N");
  co_await in.send(kStart + "and more");
  co_await in.over();
  CO_ASSERT_OK(*in.outcome);
  const auto stream = in.entrance->take();
  net::Reader reader(*stream);
  const auto rest = co_await reader.take(8);
  CO_ASSERT_OK(rest);
  EXPECT_EQ(text_of(*rest), "and more");
}

CO_TEST(Entrance, TlsThatIsAskedFor) {
  for (const std::vector<std::string>& alpn : {std::vector<std::string>{}, std::vector<std::string>{"postgresql"}}) {
    Entering in(co_await net::this_executor());
    co_await in.send(text_of(ssl_request()));
    const std::string answer = co_await in.answer();
    EXPECT_EQ(answer, "S");
    const auto tls = co_await in.start_tls(alpn);
    CO_ASSERT_OK(tls);
    EXPECT_EQ((*tls)->alpn(), alpn.empty() ? "" : "postgresql");
    const auto sent = co_await net::write(**tls, as_bytes(kStart));
    CO_ASSERT_OK(sent);
    co_await in.over();
    CO_ASSERT_OK(*in.outcome);
    EXPECT_EQ(std::get<Startup>(**in.outcome).find("user"), "alice");
    const auto welcomed = co_await net::write(*in.entrance->stream(), as_bytes("welcome"));
    CO_ASSERT_OK(welcomed);
    const auto got = co_await net::read(**tls);
    CO_ASSERT_OK(got);
    EXPECT_EQ(as_text(got->data()), "welcome");
    // A person may take this certificate for trusted: it names what they connect to.
    const auto chain = (*tls)->shown_chain();
    CO_ASSERT_EQ(chain.size(), 2u);
    EXPECT_TRUE(crypto::is_issued_by(chain[0], chain[1]));
  }
}

CO_TEST(Entrance, TlsAtOnce) {
  for (const bool offered : {true, false}) {
    Entering in(co_await net::this_executor(), offered);
    const auto tls = co_await in.start_tls({"postgresql"});
    CO_ASSERT_OK(tls);
    const auto sent = co_await net::write(**tls, as_bytes(kStart));
    CO_ASSERT_OK(sent);
    co_await in.over();
    CO_ASSERT_OK(*in.outcome);
  }
}

// Without it the start of another protocol's TLS would be taken for ours (ALPACA); PostgreSQL demands it too.
CO_TEST(Entrance, TlsAtOnceNeedsItsProtocolsName) {
  for (const std::vector<std::string>& alpn : {std::vector<std::string>{}, std::vector<std::string>{"http/1.1"}}) {
    Entering in(co_await net::this_executor());
    const auto tls = co_await in.start_tls(alpn);
    EXPECT_FALSE(tls);
    co_await in.over();
    CO_ASSERT_TRUE(!in.outcome->has_value());
    EXPECT_EQ(in.entrance->stream(), nullptr) << "nobody to speak to";
  }
}

// CVE-2021-23214: they would be taken for what the client says under TLS.
CO_TEST(Entrance, BytesInClearTextBeforeTls) {
  for (const std::string& injected : {std::string("x"), kStart, text_of(ssl_request())}) {
    Entering in(co_await net::this_executor());
    co_await in.send(text_of(ssl_request()) + injected);
    co_await in.over();
    CO_ASSERT_ERROR(*in.outcome, Code::kProtocol);
    expect_contains(in.outcome->error().message, {"in clear text before the TLS handshake"});
  }
}

CO_TEST(Entrance, NoEncryptionWithinEncryption) {
  ByteWriter gss;
  gss.u32(8);
  gss.u32(1234u << 16 | 5680);
  for (const std::string& again : {text_of(ssl_request()), text_of(gss.take()), std::string("\x16\x03\x01\x02")}) {
    Entering in(co_await net::this_executor());
    co_await in.send(text_of(ssl_request()));
    [[maybe_unused]] const std::string answer = co_await in.answer();
    const auto tls = co_await in.start_tls({});
    CO_ASSERT_OK(tls);
    const auto sent = co_await net::write(**tls, as_bytes(again));
    CO_ASSERT_OK(sent);
    co_await in.over();
    CO_ASSERT_ERROR(*in.outcome, Code::kProtocol);
  }
}

CO_TEST(Entrance, GssIsRefusedAndTlsAskedForAfterIt) {
  ByteWriter gss;
  gss.u32(8);
  gss.u32(1234u << 16 | 5680);
  Entering in(co_await net::this_executor());
  co_await in.send(text_of(gss.take()));
  std::string answer = co_await in.answer();
  EXPECT_EQ(answer, "N");
  co_await in.send(text_of(ssl_request()));
  answer = co_await in.answer();
  EXPECT_EQ(answer, "S");
  const auto tls = co_await in.start_tls({"postgresql"});
  CO_ASSERT_OK(tls);
  const auto sent = co_await net::write(**tls, as_bytes(kStart));
  CO_ASSERT_OK(sent);
  co_await in.over();
  CO_ASSERT_OK(*in.outcome);
}

CO_TEST(Entrance, WhatOnlyLooksLikeTls) {
  for (const std::string& bytes :
       {std::string("\x16"), std::string("\x16\x03\x01\xff\xff"), "\x16" + std::string(20'000, 'x')}) {
    Entering in(co_await net::this_executor());
    co_await in.send(bytes);
    CO_ASSERT_OK(in.client->shutdown_send());
    co_await in.over();
    CO_ASSERT_TRUE(!in.outcome->has_value());
  }
}

}  // namespace
}  // namespace portolan::protocols::postgres
