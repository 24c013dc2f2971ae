#include "control/signature.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "control/nonces.h"
#include "crypto/hash.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kComponents = R"(sig1=("@method" "@authority" "@path" "@query" "content-digest"))";
constexpr std::string_view kGood = R"(;created=1800000000;nonce="abcdefghijklmnop";keyid="at-1")";

std::string digest_of(std::string_view body) { return "sha-256=:" + base64(crypto::sha256(as_bytes(body))) + ":"; }

TEST(Signature, TakesItsOneProfile) {
  const auto input = parse_signature_input(std::string(kComponents) + std::string(kGood));
  ASSERT_TRUE(input) << input.error().message;
  EXPECT_EQ(input->key, "at-1");
  EXPECT_EQ(input->nonce, "abcdefghijklmnop");
  EXPECT_EQ(input->created, WallTime(1'800'000'000s));
  EXPECT_TRUE(parse_signature_input(std::string(kComponents) +
                                    R"(;keyid="at-1";alg="ed25519";nonce="abcdefghijklmno_";created=1800000000)"));
}

// The components, with more at the end of their list.
std::string with_components(std::string_view more) {
  return std::string(kComponents.substr(0, kComponents.size() - 1)) + std::string(more) + ")";
}

TEST(Signature, TakesTheHeadersThatMayBeSigned) {
  using Names = std::vector<std::string_view>;
  const auto headers = [](std::string_view more) {
    const auto input = parse_signature_input(with_components(more) + std::string(kGood));
    return input ? input->headers : Names{"refused"};
  };
  EXPECT_EQ(headers(""), Names());
  EXPECT_EQ(headers(R"( "if-match")"), Names{"if-match"});
  EXPECT_EQ(headers(R"( "idempotency-key")"), Names{"idempotency-key"});
  EXPECT_EQ(headers(R"( "if-match" "idempotency-key")"), (Names{"if-match", "idempotency-key"}));
  for (const std::string_view bad :
       {R"( "idempotency-key" "if-match")", R"( "if-match" "if-match")", R"("if-match")", R"( "If-Match")",
        R"( "if-match" )", R"( "if-match";sf)", R"( if-match)", R"( "if-match" "date")", R"( "if-match)"})
    EXPECT_EQ(headers(bad), Names{"refused"}) << bad;
}

TEST(Signature, HeadersAreSignedIfTheyAreThere) {
  const auto checked = [](net::http::Headers headers, std::string_view more) {
    const auto input = parse_signature_input(with_components(more) + std::string(kGood));
    const auto result = input ? check_headers({.headers = std::move(headers)}, *input) : std::unexpected(input.error());
    return result ? "good" : std::string(result.error().stable_code()) + " " + result.error().message;
  };
  EXPECT_EQ(checked({{"accept", "*/*"}}, ""), "good");
  EXPECT_EQ(checked({{"if-match", "\"1\""}}, R"( "if-match")"), "good");
  EXPECT_EQ(checked({{"if-match", "\"1\""}, {"idempotency-key", "k"}}, R"( "if-match" "idempotency-key")"), "good");
  const std::string not_signed = " is not signed; a request that has it signs it";
  const std::string not_there = " is signed, and the request has none";
  const std::string refused = "bad_signature signature: the header ";
  EXPECT_EQ(checked({{"if-match", "\"1\""}}, ""), refused + "if-match" + not_signed);
  EXPECT_EQ(checked({{"if-match", ""}}, ""), refused + "if-match" + not_signed);
  EXPECT_EQ(checked({{"idempotency-key", "k"}}, R"( "if-match")"), refused + "if-match" + not_there);
  EXPECT_EQ(checked({{"if-match", "*"}, {"idempotency-key", "k"}}, R"( "if-match")"),
            refused + "idempotency-key" + not_signed);
  EXPECT_EQ(checked({}, R"( "idempotency-key")"), refused + "idempotency-key" + not_there);
}

TEST(Signature, RefusesAllElse) {
  const std::string components(kComponents);
  const std::string good(kGood);
  for (const std::string& bad : {
           std::string(),
           good,
           components,
           components.substr(0, components.size() - 1) + good,
           "sig2" + components.substr(4) + good,
           " " + components + good,
           components + good + " ",
           components + good + ", " + components + good,
           components + good + ",sig2=(\"@method\");created=1",
           R"(sig1=("@method" "@authority" "@path" "content-digest"))" + good,
           R"(sig1=("@authority" "@method" "@path" "@query" "content-digest"))" + good,
           R"(sig1=("@method" "@authority" "@path" "@query" "content-digest" "date"))" + good,
           R"(sig1=("@method"  "@authority" "@path" "@query" "content-digest"))" + good,
           components + good + ";created=1800000000",
           components + good + ";alg=\"rsa-pss-sha512\"",
           components + good + ";alg=ed25519",
           components + good + ";expires=1800000300",
           components + good + ";tag=\"x\"",
           components + good + ";",
           components + good + ";alg",
           components + R"(;created=1800000000;keyid="at-1")",
           components + R"(;nonce="abcdefghijklmnop";keyid="at-1")",
           components + R"(;created=1800000000;nonce="abcdefghijklmnop")",
           components + R"(;created=-800000000;nonce="abcdefghijklmnop";keyid="at-1")",
           components + R"(;created=180000000;nonce="abcdefghijklmnop";keyid="at-1")",
           components + R"(;created=1800000000.5;nonce="abcdefghijklmnop";keyid="at-1")",
           components + R"(;created="1800000000";nonce="abcdefghijklmnop";keyid="at-1")",
           components + R"(;created=1800000000;nonce="abcdefghijklmno";keyid="at-1")",
           components + R"(;created=1800000000;nonce="abcdefghijklmno+";keyid="at-1")",
           components + ";created=1800000000;nonce=\"" + std::string(65, 'n') + R"(";keyid="at-1")",
           components + R"(;created=1800000000;nonce=abcdefghijklmnop;keyid="at-1")",
           components + R"(;created=1800000000;nonce="abcdefghijklmnop";keyid="a-1")",
           components + R"(;created=1800000000;nonce="abcdefghijklmnop";keyid="at-1\"")",
           components + R"(;created=1800000000; nonce="abcdefghijklmnop";keyid="at-1")",
       }) {
    const auto input = parse_signature_input(bad);
    EXPECT_FALSE(input) << bad;
    if (!input) EXPECT_EQ(input.error().reason, "bad_signature") << bad;
  }
  const std::string signature = "sig1=:" + base64(Bytes(64)) + ":";
  EXPECT_TRUE(parse_signature(signature));
  for (const std::string& bad :
       {std::string(), signature + " ", signature + ", " + signature, "sig2" + signature.substr(4),
        "sig1=" + base64(Bytes(64)), "sig1=:" + base64(Bytes(63)) + ":", std::string("sig1=::"), std::string("sig1=:")})
    EXPECT_FALSE(parse_signature(bad)) << bad;
}

TEST(Signature, Digests) {
  const auto checked = [](std::string body, std::string digest) {
    return check_digest({.headers = {{"content-digest", std::move(digest)}}, .body = std::move(body)}).has_value();
  };
  EXPECT_TRUE(checked("", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"));
  EXPECT_TRUE(checked("x", digest_of("x")));
  EXPECT_FALSE(checked("y", digest_of("x")));
  EXPECT_FALSE(check_digest({}));
  EXPECT_FALSE(checked("x", digest_of("x") + ", " + digest_of("x")));
  EXPECT_FALSE(checked("x", "sha-512" + digest_of("x").substr(7)));
}

TEST(Signature, BaseIsAsTheStandardSays) {
  const auto input = parse_signature_input(std::string(kComponents) + std::string(kGood));
  ASSERT_TRUE(input);
  net::http::Request request{.method = "POST",
                             .headers = {{"host", "Portolan.Example.com:443"}, {"content-digest", "sha-256=:x:"}},
                             .target = "/v1/a%20b?x=%26&y="};
  EXPECT_EQ(signature_base(request, *input),
            "\"@method\": POST\n\"@authority\": portolan.example.com\n\"@path\": /v1/a%20b\n\"@query\": ?x=%26&y=\n"
            "\"content-digest\": sha-256=:x:\n\"@signature-params\": (\"@method\" \"@authority\" \"@path\" \"@query\" "
            "\"content-digest\");created=1800000000;nonce=\"abcdefghijklmnop\";keyid=\"at-1\"");
  request.headers["host"] = "[::1]:8443";
  request.target = "/";
  EXPECT_TRUE(signature_base(request, *input).contains("\"@authority\": [::1]:8443\n\"@path\": /\n\"@query\": ?\n"));
  request.headers["idempotency-key"] = "k 1";
  request.headers["if-match"] = "\"17\"";
  EXPECT_TRUE(
      signature_base(request, *input)
          .contains("\n\"content-digest\": sha-256=:x:\n\"if-match\": \"17\"\n\"idempotency-key\": k 1\n\"@signature"));
}

TEST(Signature, IsYoungAndNotOfTheFuture) {
  const WallTime now(1'800'000'000s);
  const auto checked = [now](WallTime created, WallTime since) {
    const auto result = check_created(created, now, since);
    return result ? "good" : std::string(result.error().stable_code());
  };
  EXPECT_EQ(checked(now, now), "good");
  EXPECT_EQ(checked(now - 5min, now - 1h), "good");
  EXPECT_EQ(checked(now - 5min - 1s, now - 1h), "signature_time");
  EXPECT_EQ(checked(now + 1min, now), "good");
  EXPECT_EQ(checked(now + 1min + 1s, now), "signature_time");
  EXPECT_EQ(checked(now - 1s, now), "signature_time");
}

TEST(Signature, Nonces) {
  FakeClock clock;
  Nonces nonces(clock, {.life = 10min, .per_account = 3, .in_all = 8});
  EXPECT_FALSE(nonces.known("at-1", "n"));
  ASSERT_TRUE(nonces.remember("a-1", "at-1", "n"));
  EXPECT_TRUE(nonces.known("at-1", "n"));
  EXPECT_FALSE(nonces.known("at-2", "n"));
  clock.advance(10min - 1ms);
  EXPECT_TRUE(nonces.known("at-1", "n"));
  clock.advance(1ms);
  EXPECT_FALSE(nonces.known("at-1", "n"));
  // However many tokens it has.
  for (const char* token : {"at-1", "at-2", "at-3"}) ASSERT_TRUE(nonces.remember("a-1", token, "1"));
  EXPECT_FALSE(nonces.remember("a-1", "at-4", "1"));
  clock.advance(10min);
  EXPECT_TRUE(nonces.remember("a-1", "at-4", "1"));
}

TEST(Signature, AnAccountGetsHalfOfTheNoncesThatOthersLeave) {
  FakeClock clock;
  Nonces nonces(clock, {.life = 10min, .per_account = 100, .in_all = 80});
  const auto fill = [&](const std::string& account) {
    int taken = 0;
    while (nonces.remember(account, "at-" + account, std::to_string(taken))) ++taken;
    return taken;
  };
  EXPECT_EQ(fill("a-1"), 40);
  EXPECT_EQ(fill("a-2"), 20);
  EXPECT_EQ(fill("a-3"), 10);
  EXPECT_EQ(fill("a-1"), 0);
}

// However the clock is set, what has been used is known, or too old.
TEST(Signature, NoncesAndAClockThatIsSetBack) {
  FakeClock clock;
  Nonces nonces(clock, {.life = 10min});
  const WallTime began = clock.wall();
  EXPECT_EQ(nonces.since(), began);
  clock.advance(1500ms);
  ASSERT_TRUE(nonces.remember("a-1", "at-1", "n"));
  clock.jump_wall(-1h);
  clock.advance(10min - 1ms);
  EXPECT_EQ(nonces.since(), began);
  clock.advance(1ms);
  EXPECT_EQ(nonces.since(), began + 1min + 2s);  // its signature may be of a minute ahead
  EXPECT_FALSE(nonces.known("at-1", "n"));
  ASSERT_TRUE(nonces.remember("a-1", "at-1", "n"));
  clock.advance(10min);
  EXPECT_EQ(nonces.since(), began + 1min + 2s);  // never earlier
}

}  // namespace
}  // namespace portolan::control
