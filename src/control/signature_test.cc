#include "control/signature.h"

#include <gtest/gtest.h>

#include "api/token.h"
#include "control/test_plane.h"
#include "crypto/hash.h"
#include "crypto/test_ed25519.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::Ask;
using testing::TestPlane;

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

TEST(Signature, RefusesAllElse) {
  const std::string components(kComponents);
  const std::string good(kGood);
  for (const std::string& bad : {
           std::string(),
           good,
           components,
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
}

TEST(Signature, Nonces) {
  FakeClock clock;
  Nonces nonces(clock, {.life = 10min, .per_key = 3, .in_all = 5});
  EXPECT_FALSE(nonces.known("at-1", "n"));
  ASSERT_TRUE(nonces.remember("at-1", "n"));
  EXPECT_TRUE(nonces.known("at-1", "n"));
  EXPECT_FALSE(nonces.known("at-2", "n"));
  clock.advance(10min - 1ms);
  EXPECT_TRUE(nonces.known("at-1", "n"));
  clock.advance(1ms);
  EXPECT_FALSE(nonces.known("at-1", "n"));
  for (const char* nonce : {"1", "2", "3"}) ASSERT_TRUE(nonces.remember("at-1", nonce));
  EXPECT_FALSE(nonces.remember("at-1", "4"));
  for (const char* nonce : {"1", "2"}) ASSERT_TRUE(nonces.remember("at-2", nonce));
  EXPECT_FALSE(nonces.remember("at-3", "1"));
  clock.advance(10min);
  EXPECT_TRUE(nonces.remember("at-1", "4"));
}

// A script of an admin's service account, with a key.
class Script {
 public:
  Script(TestPlane& test, FakeClock& clock) : test_(test), clock_(clock) {}

  net::Task<Result<>> set_up() {
    CO_CHECK(co_await test_.set_up());
    const auto admin = co_await test_.sign_in("admin@example.com");
    if (!admin) co_return std::unexpected(admin.error());
    admin_ = admin->by_token;
    api::ApiTokenCreate request{.name = "script", .life = "1h"};
    request.public_key = key_.public_pem();
    CO_TRY(const auto made, co_await test_.post<api::ApiTokenMade>("/v1/tokens", std::move(request), admin_));
    EXPECT_FALSE(made.token);
    id = made.id;
    co_return Result<>{};
  }

  Ask sign(Ask ask) {
    ask.headers["host"] = "portolan.example.com";
    ask.headers["content-digest"] = digest_of(ask.body);
    return sign_as_it_is(std::move(ask), ";created=" + std::to_string(clock_.wall().time_since_epoch() / 1s) +
                                             ";nonce=\"0123456789abcdef" + std::to_string(++count_) + "\";keyid=\"" +
                                             id + "\"");
  }
  Ask sign_as_it_is(Ask ask, const std::string& parameters) {
    const auto space = ask.route.find(' ');
    net::http::Request request{.method = ask.route.substr(0, space),
                               .path = ask.route.substr(space + 1),
                               .query = ask.query,
                               .headers = ask.headers,
                               .body = ask.body};
    request.target = net::http::to_target(request);
    ask.headers["signature-input"] = std::string(kComponents) + parameters;
    SignatureInput input;
    input.parameters = ask.headers["signature-input"].substr(5);
    ask.headers["signature"] = "sig1=:" + base64(key_.sign(signature_base(request, input))) + ":";
    return ask;
  }
  // Status and code of a call.
  net::Task<std::string> call(Ask ask, testing::As as = {}) {
    const auto response = co_await test_.call(std::move(ask), std::move(as));
    std::string out = std::to_string(response.status);
    const auto failed = TestPlane::succeeded(response);
    co_return failed ? out : out + " " + std::string(failed.error().stable_code());
  }
  const testing::As& admin() const { return admin_; }

  std::string id;

 private:
  TestPlane& test_;
  FakeClock& clock_;
  crypto::Ed25519TestKey key_;
  testing::As admin_;
  int count_ = 0;
};

#define CO_EXPECT_CALL(expected, ...)                      \
  do {                                                     \
    const auto pl_got = co_await script.call(__VA_ARGS__); \
    EXPECT_EQ(pl_got, expected);                           \
  } while (false)

CO_TEST(Signature, IsGoodForOneRequest) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask get = script.sign({"GET /v1/accounts", {{"limit", "10"}, {"email", "admin@example.com"}}});
  CO_EXPECT_CALL("200", get);
  CO_EXPECT_CALL("401 signature_replayed", get);
  const Ask post = script.sign({"POST /v1/roles", {}, R"({"name":"dba"})"});
  CO_EXPECT_CALL("201", post);
  CO_EXPECT_CALL("401 signature_replayed", post);
}

CO_TEST(Signature, CoversTheWholeRequest) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask good = script.sign({"POST /v1/roles", {}, R"({"name":"dba"})"});
  Ask changed = good;
  changed.body = R"({"name":"ops"})";
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed.headers["content-digest"] = digest_of(changed.body);
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed = good;
  changed.route = "POST /v1/accounts";
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed = good;
  changed.query["x"] = "1";
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed = good;
  changed.headers["host"] = "other.example.com";
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed = good;
  changed.headers.erase("signature");
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed = good;
  changed.headers.erase("signature-input");
  CO_EXPECT_CALL("401 bad_signature", changed);
  changed = good;
  changed.headers.erase("content-digest");
  CO_EXPECT_CALL("401 bad_signature", changed);
  CO_EXPECT_CALL("401 bad_signature", good, script.admin());  // and a bearer token beside it
  Ask head = script.sign({"GET /v1/roles"});
  head.route = "DELETE /v1/roles/dba";
  CO_EXPECT_CALL("401 bad_signature", head);
  CO_EXPECT_CALL("201", good);  // nothing of this has used it up
}

CO_TEST(Signature, HasItsTime) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  clock.advance(1min);
  const Ask ask = script.sign({"GET /v1/roles"});
  clock.advance(5min);
  CO_EXPECT_CALL("200", ask);
  const Ask late = script.sign({"GET /v1/roles"});
  clock.advance(5min + 1s);
  CO_EXPECT_CALL("401 signature_time", late);
  clock.jump_wall(10min);
  const Ask ahead = script.sign({"GET /v1/roles"});
  clock.jump_wall(-5min);
  CO_EXPECT_CALL("200", ahead);
  CO_EXPECT_CALL("401 signature_replayed", ahead);
  clock.advance(10min);  // its last moment
  CO_EXPECT_CALL("401 signature_replayed", ahead);
  clock.advance(1ms);
  CO_EXPECT_CALL("401 signature_time", ahead);
  const Ask further = script.sign({"GET /v1/roles"});
  clock.jump_wall(-6min);
  CO_EXPECT_CALL("401 signature_time", further);
}

// What was remembered is lost with a restart, so what was signed before it is refused.
CO_TEST(Signature, ARestartTakesNothingOld) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask ask = script.sign({"GET /v1/roles"});
  CO_EXPECT_CALL("200", ask);
  clock.advance(1s);
  test.open();
  CO_EXPECT_CALL("401 signature_time", ask);
  CO_EXPECT_CALL("200", script.sign({"GET /v1/roles"}));
}

CO_TEST(Signature, EndsWithItsToken) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const std::string id = std::exchange(script.id, "at-unknown");
  CO_EXPECT_CALL("401 bad_signature", script.sign({"GET /v1/roles"}));
  script.id = id;
  clock.advance(1h);
  CO_EXPECT_CALL("401 token_expired", script.sign({"GET /v1/roles"}));
  CO_EXPECT_CALL("204", {"DELETE /v1/tokens/" + id}, test.admin);
  CO_EXPECT_CALL("401 bad_signature", script.sign({"GET /v1/roles"}));
}

CO_TEST(Signature, OfASuspendedAccount) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  api::AccountCreate second{.email = "second@example.com", .name = {}, .admin = true, .password = {}};
  second.password = Secret(TestPlane::kPassword);
  CO_ASSERT_OK(co_await test.post<api::AccountView>("/v1/accounts", std::move(second), test.admin));
  CO_EXPECT_CALL("200", {"PATCH /v1/accounts/admin@example.com", {}, R"({"suspended":true})"}, test.admin);
  CO_EXPECT_CALL("403 account_suspended", script.sign({"GET /v1/roles"}));
}

// A watch is one request: its signature is not asked for again, its token is.
CO_TEST(Signature, AWatchGoesOnUntilItsTokenIsRemoved) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  testing::LineSink sink(test.executor);
  net::TaskGroup tasks(test.executor);
  tasks.spawn("watch", test.watch(script.sign({"GET /v1/roles", {{"watch", "1"}}}), {}, sink));
  CO_ASSERT_OK(co_await sink.next());
  EXPECT_EQ(sink.head->status, 200);
  EXPECT_NE(sink.head->header("ratelimit-limit"), "");
  clock.advance(11min);
  CO_EXPECT_CALL("201", {"POST /v1/roles", {}, R"({"name":"dba"})"}, test.admin);
  while (!sink.body.contains("\"dba\"")) {
    CO_ASSERT_OK(co_await sink.next());
  }
  CO_EXPECT_CALL("204", {"DELETE /v1/tokens/" + script.id}, test.admin);
  co_await tasks.join();
}

}  // namespace
}  // namespace portolan::control
