#include "protocols/postgres/resource_side.h"

#include "crypto/hash.h"
#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

TEST(TlsChoice, FromSettings) {
  using Mode = TlsChoice::Mode;
  struct Case {
    Settings settings;
    std::string host;
    Mode mode;
    bool verify_chain, system_trust;
    std::string server_name, verify_host;
  };
  const Case cases[] = {
      {{}, "db.example", Mode::kPrefer, false, false, "db.example", ""},
      {{{"tls", "disable"}}, "db.example", Mode::kDisable, false, false, "db.example", ""},
      {{{"tls", "require"}}, "10.0.0.1", Mode::kRequire, false, false, "", ""},
      {{{"tls", "verify-ca"}}, "db.example", Mode::kVerifyCa, true, true, "db.example", ""},
      {{{"tls", "verify-full"}}, "db.example", Mode::kVerifyFull, true, true, "db.example", "db.example"},
      {{{"tls", "verify-full"}}, "::1", Mode::kVerifyFull, true, true, "", "::1"},
      {{{"tls", "verify-full"}, {"tls_server_name", "pg.internal"}},
       "10.0.0.1",
       Mode::kVerifyFull,
       true,
       true,
       "pg.internal",
       "pg.internal"},
  };
  for (const Case& c : cases) {
    const auto choice = tls_choice(c.settings, c.host);
    ASSERT_TRUE(choice);
    EXPECT_EQ(choice->mode, c.mode);
    EXPECT_EQ(choice->options.verify_chain, c.verify_chain);
    EXPECT_EQ(choice->options.system_trust, c.system_trust);
    EXPECT_EQ(choice->options.server_name, c.server_name);
    EXPECT_EQ(choice->options.verify_host, c.verify_host);
    EXPECT_TRUE(choice->options.alpn.empty());
    EXPECT_EQ(choice->options.versions, net::TlsVersions::k12And13);
  }
}

// A sign-in against a server played by the test.
struct SigningIn {
  std::unique_ptr<net::Stream> ours;
  std::unique_ptr<Peer> server;
  std::optional<Result<SignedIn>> outcome;
  net::TaskGroup group;

  explicit SigningIn(const net::Executor& executor, bool encrypted = false) : group(executor) {
    auto [a, b] = net::memory_pair(executor, 1024 * 1024);
    ours = std::move(a);
    server = std::make_unique<Peer>(std::move(b));
    group.spawn("sign in", run(*ours, encrypted, outcome));
  }
  static net::Task<> run(net::Stream& stream, bool encrypted, std::optional<Result<SignedIn>>& outcome) {
    const SignIn as{"app", Secret("pencil"), "main", {{"application_name", "psql"}}};
    outcome = co_await sign_in(stream, encrypted, as);
  }
  // Reads the start-up, answers, and waits for the end.
  net::Task<> answer(std::string bytes) {
    const std::string asked = co_await server->first_packet();
    EXPECT_EQ(asked, startup({{"user", "app"}, {"database", "main"}, {"application_name", "psql"}}));
    co_await server->send(std::move(bytes));
  }
};

CO_TEST(SignIn, ByTrust) {
  SigningIn in(co_await net::this_executor());
  const std::string version = msg('S',
                                  "server_version\0"
                                  "15.1\0"sv);
  const std::string notice = msg('N', "SWARNING\0Mlook out\0\0"sv);
  co_await in.answer(notice + kAuthenticationOk + version + notice + msg('K', "\0\0\0\7secr"sv) + kReady + "more");
  co_await in.group.join();
  CO_ASSERT_OK(*in.outcome);
  EXPECT_EQ(text_of((*in.outcome)->greeting), version + notice);
  EXPECT_EQ((*in.outcome)->key, (BackendKey{7, 0x73656372}));
  EXPECT_EQ(text_of((*in.outcome)->ready), kReady);
  EXPECT_EQ(text_of((*in.outcome)->rest), "more");
}

CO_TEST(SignIn, ByMd5) {
  SigningIn in(co_await net::this_executor());
  co_await in.answer(msg('R', "\0\0\0\5salt"sv));
  const std::string answer = co_await in.server->next();
  const std::string inner = crypto::md5_hex(as_bytes("pencilapp")) + "salt";
  EXPECT_EQ(answer, "pmd5" + z(crypto::md5_hex(as_bytes(inner))));
  co_await in.server->send(kAuthenticationOk + kReady);
  co_await in.group.join();
  CO_ASSERT_OK(*in.outcome);
}

CO_TEST(SignIn, InClearTextOnlyUnderTls) {
  SigningIn bare(co_await net::this_executor(), false);
  co_await bare.answer(msg('R', "\0\0\0\3"sv));
  co_await bare.group.join();
  CO_ASSERT_ERROR(*bare.outcome, Code::kDenied);
  bare.ours.reset();
  const std::string sent = co_await bare.server->raw(1);
  EXPECT_EQ(sent, "") << "the password was not sent";

  SigningIn encrypted(co_await net::this_executor(), true);
  co_await encrypted.answer(msg('R', "\0\0\0\3"sv));
  const std::string answer = co_await encrypted.server->next();
  EXPECT_EQ(answer, "p" + z("pencil"));
  co_await encrypted.server->send(kAuthenticationOk + kReady);
  co_await encrypted.group.join();
  CO_ASSERT_OK(*encrypted.outcome);
}

std::string sasl(char kind, std::string_view data) { return msg('R', "\0\0\0"s + kind + std::string(data)); }
const std::string kSaslStart = sasl(10, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv);

// The server's half of SCRAM, worked out from the messages alone.
struct ScramServer {
  std::string client_bare, server_first, expected_proof, server_final;
  explicit ScramServer(std::string_view client_first, unsigned iterations)
      : client_bare(client_first.substr(client_first.find("n="))) {
    const std::string nonce = client_bare.substr(client_bare.find("r=") + 2) + "SERVER";
    server_first = "r=" + nonce + ",s=" + base64(as_bytes("saltsalt")) + ",i=" + std::to_string(iterations);
    const auto salted = crypto::pbkdf2_sha256("pencil", as_bytes("saltsalt"), iterations);
    const std::string all = client_bare + "," + server_first + ",c=biws,r=" + nonce;
    auto proof = crypto::hmac_sha256(salted, as_bytes("Client Key"));
    const auto signature = crypto::hmac_sha256(crypto::sha256(proof), as_bytes(all));
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= signature[i];
    expected_proof = "pc=biws,r=" + nonce + ",p=" + base64(proof);
    server_final =
        "v=" + base64(crypto::hmac_sha256(crypto::hmac_sha256(salted, as_bytes("Server Key")), as_bytes(all)));
  }
};

CO_TEST(SignIn, ByScramOnTheLoopAndOnAThread) {
  for (const unsigned iterations : {4096u, 10'000u}) {
    SigningIn in(co_await net::this_executor());
    co_await in.answer(kSaslStart);
    const std::string first = co_await in.server->next();
    CO_ASSERT_TRUE(first.starts_with("pSCRAM-SHA-256\0"sv));
    const ScramServer scram(first, iterations);
    co_await in.server->send(sasl(11, scram.server_first));
    const std::string proof = co_await in.server->next();
    EXPECT_EQ(proof, scram.expected_proof);
    co_await in.server->send(sasl(12, scram.server_final) + kAuthenticationOk + kReady);
    co_await in.group.join();
    CO_ASSERT_OK(*in.outcome);
  }
}

CO_TEST(SignIn, AServerThatFailsToProveItselfIsRefused) {
  for (const std::string& last :
       {sasl(12, "v=AAAA"), kAuthenticationOk, sasl(11, "r=x"), msg('R', "\0\0\0\3"sv), kReady}) {
    SigningIn in(co_await net::this_executor());
    co_await in.answer(kSaslStart);
    const std::string first = co_await in.server->next();
    const ScramServer scram(first, 4096);
    co_await in.server->send(sasl(11, scram.server_first));
    [[maybe_unused]] const auto proof = co_await in.server->next();
    co_await in.server->send(last + kAuthenticationOk + kReady);
    co_await in.group.join();
    CO_ASSERT_ERROR(*in.outcome, Code::kProtocol);
  }
}

CO_TEST(SignIn, WhatTheServerSaysIsCarried) {
  SigningIn in(co_await net::this_executor());
  co_await in.answer(msg('E', "SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"app\"\0\0"sv));
  co_await in.group.join();
  CO_ASSERT_ERROR(*in.outcome, Code::kUnauthenticated);
  EXPECT_EQ(in.outcome->error().reason, "sqlstate_28P01");
  expect_contains(in.outcome->error().message, {"password authentication failed for user \"app\""});

  SigningIn odd(co_await net::this_executor());
  co_await odd.answer(msg('E', "SFATAL\0C08006\0Ma\nb\x1b]0;x\x07\x7f\0\0"sv));
  co_await odd.group.join();
  CO_ASSERT_ERROR(*odd.outcome, Code::kUnavailable);
  EXPECT_EQ(odd.outcome->error().message, "the server says: a\nb ]0;x  ");
}

CO_TEST(SignIn, ServersThatLie) {
  struct Case {
    std::string_view name;
    std::string bytes;
    Code code = Code::kProtocol;
  };
  std::string flood = kAuthenticationOk;
  for (int i = 0; i < 20'000; ++i) flood += msg('N', "SNOTICE\0\0"sv);
  const Case cases[] = {
      {"length 0", "R\0\0\0\0"s},
      {"length 3", "R\0\0\0\3"s},
      {"2 GiB", "R\x7f\xff\xff\xff"s},
      {"just over the limit", "S\0\1\0\5"s},
      {"no authentication", kReady},
      {"rows", msg('D', "\0\0"sv)},
      {"an empty authentication request", msg('R')},
      {"a salt of three bytes", msg('R', "\0\0\0\5abc"sv)},
      {"an unknown method", msg('R', "\0\0\0\7"sv), Code::kInvalid},
      {"SASL without a mechanism we know", sasl(10, "SCRAM-SHA-512\0\0"sv), Code::kInvalid},
      {"a list of mechanisms without end", sasl(10, "SCRAM-SHA-256")},
      {"a continuation of nothing", sasl(11, "r=x")},
      {"a query's end after sign-in", kAuthenticationOk + msg('C', z("SELECT 1"))},
      {"a second authentication", kAuthenticationOk + kAuthenticationOk},
      {"a cancellation key of three bytes", kAuthenticationOk + msg('K', "abc")},
      {"notices without end", flood},
      {"an error after it let us in", kAuthenticationOk + msg('E', "SFATAL\0C3D000\0Mno such database\0\0"sv),
       Code::kNotFound},
      {"an error with a malformed code", msg('E', "SFATAL\0Cx\0Mno\0\0"sv), Code::kUnavailable},
      {"it hangs up", "", Code::kEof},
      {"it hangs up in mid-message", "R\0\0\0\x08\0"s, Code::kEof},
  };
  for (const Case& c : cases) {
    SigningIn in(co_await net::this_executor());
    co_await in.answer(c.bytes);
    in.server->half_close();
    co_await in.group.join();
    CO_ASSERT_TRUE(in.outcome.has_value());
    EXPECT_FALSE(in.outcome->has_value()) << c.name;
    if (!*in.outcome) {
      EXPECT_EQ(name_of(in.outcome->error().code), name_of(c.code)) << c.name << ": " << in.outcome->error().message;
    }
  }
}

}  // namespace
}  // namespace portolan::protocols::postgres
