#include "protocols/postgres/sign_in.h"

#include "crypto/hash.h"
#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

const Protection kUnderTls{.tls = true, .asked_for = true, .end_point = Bytes(32, std::byte{7})};

// A sign-in against a server played by the test.
struct SigningIn {
  Protection protection;
  SignIn as{
      .user = "app", .password = Secret("pencil"), .database = "main", .parameters = {{"application_name", "psql"}}};
  std::unique_ptr<net::Stream> ours;
  std::unique_ptr<Peer> server;
  std::optional<Result<SignedIn>> outcome;
  net::TaskGroup group;

  explicit SigningIn(const net::Executor& executor, Protection by = {},
                     ChannelBinding binding = ChannelBinding::kPrefer, DerivedKeys* salted = nullptr)
      : protection(std::move(by)), group(executor) {
    as.channel_binding = binding;
    as.salted = salted;
    auto [a, b] = net::memory_pair(executor, 1024 * 1024);
    ours = std::move(a);
    server = std::make_unique<Peer>(std::move(b));
    group.spawn("sign in", run(*ours, protection, as, outcome));
  }
  static net::Task<> run(net::Stream& stream, const Protection& protection, const SignIn& as,
                         std::optional<Result<SignedIn>>& outcome) {
    outcome = co_await sign_in(stream, protection, as);
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
  SigningIn bare(co_await net::this_executor());
  co_await bare.answer(msg('R', "\0\0\0\3"sv));
  co_await bare.group.join();
  CO_ASSERT_ERROR(*bare.outcome, Code::kDenied);
  bare.ours.reset();
  const std::string sent = co_await bare.server->raw(1);
  EXPECT_EQ(sent, "") << "the password was not sent";

  SigningIn encrypted(co_await net::this_executor(), kUnderTls);
  co_await encrypted.answer(msg('R', "\0\0\0\3"sv));
  const std::string answer = co_await encrypted.server->next();
  EXPECT_EQ(answer, "p" + z("pencil"));
  co_await encrypted.server->send(kAuthenticationOk + kReady);
  co_await encrypted.group.join();
  CO_ASSERT_OK(*encrypted.outcome);
}

std::string sasl(char kind, std::string_view data) { return msg('R', "\0\0\0"s + kind + std::string(data)); }
const std::string kSaslStart = sasl(10, "SCRAM-SHA-256\0\0"sv);
const std::string kSaslStartPlus = sasl(10, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv);

// The server's half of SCRAM, worked out from the messages alone.
struct ScramServer {
  std::string client_bare, server_first, expected_proof, server_final;
  explicit ScramServer(std::string_view client_first, unsigned iterations, std::string_view binding = "n,,")
      : client_bare(client_first.substr(client_first.find("n="))) {
    const std::string nonce = client_bare.substr(client_bare.find("r=") + 2) + "SERVER";
    server_first = "r=" + nonce + ",s=" + base64(as_bytes("saltsalt")) + ",i=" + std::to_string(iterations);
    const auto salted = crypto::pbkdf2_sha256("pencil", as_bytes("saltsalt"), iterations);
    const std::string all = client_bare + "," + server_first + ",c=" + base64(as_bytes(binding)) + ",r=" + nonce;
    auto proof = crypto::hmac_sha256(salted, as_bytes("Client Key"));
    const auto signature = crypto::hmac_sha256(crypto::sha256(proof), as_bytes(all));
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= signature[i];
    expected_proof = "pc=" + base64(as_bytes(binding)) + ",r=" + nonce + ",p=" + base64(proof);
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

// The rest of a SCRAM sign-in, with a server that sees `binding` in it.
net::Task<> finish_scram(SigningIn& in, std::string_view binding) {
  const std::string first = co_await in.server->next();
  const ScramServer scram(first, 4096, binding);
  co_await in.server->send(sasl(11, scram.server_first));
  const std::string proof = co_await in.server->next();
  EXPECT_EQ(proof, scram.expected_proof);
  co_await in.server->send(sasl(12, scram.server_final) + kAuthenticationOk + kReady);
  co_await in.group.join();
}

CO_TEST(SignIn, WhatScramSaysOfChannelBinding) {
  struct Case {
    std::string_view name;
    Protection protection;
    ChannelBinding binding;
    std::string offer;
    std::string_view said;  // the mechanism and the GS2 header
    std::string bound;      // the header and the hash that the proof covers
  };
  const Protection no_hash{.tls = true, .asked_for = true};
  const Case cases[] = {
      {"offered and wanted", kUnderTls, ChannelBinding::kPrefer, kSaslStartPlus, "PLUS p=tls-server-end-point,,",
       "p=tls-server-end-point,," + std::string(32, '\7')},
      {"offered and required", kUnderTls, ChannelBinding::kRequire, kSaslStartPlus, "PLUS p=tls-server-end-point,,",
       "p=tls-server-end-point,," + std::string(32, '\7')},
      {"offered and not wanted", kUnderTls, ChannelBinding::kDisable, kSaslStartPlus, "n,,", "n,,"},
      {"not offered over TLS", kUnderTls, ChannelBinding::kPrefer, kSaslStart, "y,,", "y,,"},
      {"not offered, not wanted", kUnderTls, ChannelBinding::kDisable, kSaslStart, "n,,", "n,,"},
      {"a certificate without a hash", no_hash, ChannelBinding::kPrefer, kSaslStartPlus, "n,,", "n,,"},
      {"no TLS", {}, ChannelBinding::kPrefer, kSaslStart, "n,,", "n,,"},
  };
  for (const Case& c : cases) {
    SigningIn in(co_await net::this_executor(), c.protection, c.binding);
    co_await in.answer(c.offer);
    const std::string first = co_await in.server->next();
    const bool plus = c.said.starts_with("PLUS ");
    EXPECT_EQ(first.starts_with("pSCRAM-SHA-256-PLUS\0"sv), plus) << c.name;
    expect_contains(first, {std::string(c.said.substr(plus ? 5 : 0)) + "n="});
    const ScramServer scram(first, 4096, c.bound);
    co_await in.server->send(sasl(11, scram.server_first));
    const std::string proof = co_await in.server->next();
    EXPECT_EQ(proof, scram.expected_proof) << c.name;
    co_await in.server->send(sasl(12, scram.server_final) + kAuthenticationOk + kReady);
    co_await in.group.join();
    CO_ASSERT_OK(*in.outcome);
  }
}

// Without it somebody in between may carry the sign-in on: nothing that could be used so leaves us.
CO_TEST(SignIn, ChannelBindingThatIsRequiredIsNotGoneWithout) {
  const Protection no_hash{.tls = true, .asked_for = true};
  struct Case {
    std::string_view name;
    Protection protection;
    std::string offer;
  };
  const Case cases[] = {{"SCRAM without it", kUnderTls, kSaslStart},
                        {"md5", kUnderTls, msg('R', "\0\0\0\5salt"sv)},
                        {"clear text", kUnderTls, msg('R', "\0\0\0\3"sv)},
                        {"trust", kUnderTls, kAuthenticationOk + kReady},
                        {"a certificate without a hash", no_hash, kSaslStartPlus}};
  for (const Case& c : cases) {
    SigningIn in(co_await net::this_executor(), c.protection, ChannelBinding::kRequire);
    co_await in.answer(c.offer);
    co_await in.group.join();
    CO_ASSERT_TRUE(in.outcome.has_value() && !in.outcome->has_value());
    EXPECT_EQ(in.outcome->error().reason, "channel_binding_missing") << c.name;
    in.ours.reset();
    const std::string sent = co_await in.server->raw(1);
    EXPECT_EQ(sent, "") << c.name;
  }
}

CO_TEST(SignIn, ChannelBindingOfferedWithoutTlsIsSomebodyInBetween) {
  SigningIn in(co_await net::this_executor());
  co_await in.answer(kSaslStartPlus);
  co_await in.group.join();
  CO_ASSERT_ERROR(*in.outcome, Code::kProtocol);
}

CO_TEST(SignIn, TheSaltedPasswordIsKeptForTheNextSignIn) {
  DerivedKeys kept;
  {
    SigningIn in(co_await net::this_executor(), {}, ChannelBinding::kPrefer, &kept);
    co_await in.answer(kSaslStart);
    co_await finish_scram(in, "n,,");
    CO_ASSERT_OK(*in.outcome);
  }
  // With another password the same salt gives the same proof: nothing has been derived from it.
  SigningIn again(co_await net::this_executor(), {}, ChannelBinding::kPrefer, &kept);
  again.as.password = Secret("forgotten");
  co_await again.answer(kSaslStart);
  co_await finish_scram(again, "n,,");
  CO_ASSERT_OK(*again.outcome);
}

CO_TEST(SignIn, AServerThatDoesNotKnowThePasswordLeavesNoKeyBehind) {
  DerivedKeys kept;
  SigningIn in(co_await net::this_executor(), {}, ChannelBinding::kPrefer, &kept);
  co_await in.answer(kSaslStart);
  const std::string first = co_await in.server->next();
  const ScramServer scram(first, 1);
  co_await in.server->send(sasl(11, scram.server_first));
  [[maybe_unused]] const auto proof = co_await in.server->next();
  co_await in.server->send(sasl(12, "v=AAAA"));
  co_await in.group.join();
  CO_ASSERT_ERROR(*in.outcome, Code::kProtocol);
  ByteWriter name;
  name.text("scram-sha-256");
  name.u32(1);
  name.text("saltsalt");
  EXPECT_FALSE(kept.find(name.view()));
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
