// Signed requests to a whole control plane: what a signature covers, how long it is good, and when it no longer is.
#include <gtest/gtest.h>

#include "api/token.h"
#include "control/signature.h"
#include "control/test_plane.h"
#include "crypto/hash.h"
#include "crypto/test_ed25519.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::Ask;
using testing::TestPlane;

std::string digest_of(std::string_view body) { return "sha-256=:" + base64(crypto::sha256(as_bytes(body))) + ":"; }

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
    std::string input = R"(sig1=("@method" "@authority" "@path" "@query" "content-digest")";
    for (const std::string name : {"if-match", "idempotency-key"})
      if (ask.headers.contains(name)) input += " \"" + name + '"';
    input += ");created=" + std::to_string(clock_.wall().time_since_epoch() / 1s) + ";nonce=\"0123456789abcdef" +
             std::to_string(++count_) + "\";keyid=\"" + id + "\"";
    const auto space = ask.route.find(' ');
    net::http::Request request{.method = ask.route.substr(0, space),
                               .path = ask.route.substr(space + 1),
                               .query = ask.query,
                               .headers = ask.headers,
                               .body = ask.body};
    request.target = net::http::to_target(request);
    SignatureInput signed_as;
    signed_as.parameters = input.substr(5);
    ask.headers["signature-input"] = std::move(input);
    ask.headers["signature"] = "sig1=:" + base64(key_.sign(signature_base(request, signed_as))) + ":";
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

CO_TEST(SignedRequest, IsGoodForOneRequest) {
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

// Who has seen an admin's request does not get, by its head, the room that the admin's body had.
CO_TEST(SignedRequest, IsGoodOnceForItsHeadToo) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask ask = script.sign({"POST /v1/apply", {}, R"({"roles":[{"name":"dba"}]})"});
  net::http::Request head{.method = "POST", .path = "/v1/apply", .query = {}, .headers = ask.headers, .body = {}};
  head.target = "/v1/apply";
  const net::http::Connection connection{.peer = "127.0.0.1", .certificate = {}};
  Core& core = test.plane->core();
  const auto by_head = [&] {
    return identify({head, {}, &connection}, *core.lookup(), core.authorities, core.nonces, clock.wall(),
                    Body::kToCome);
  };
  CO_ASSERT_OK(by_head());
  CO_EXPECT_CALL("200", ask);
  const auto again = by_head();
  CO_ASSERT_TRUE(!again);
  EXPECT_EQ(again.error().reason, "signature_replayed");
}

CO_TEST(SignedRequest, CoversTheWholeRequest) {
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

// Who is between can neither take away what makes a request careful, nor add or change it.
CO_TEST(SignedRequest, CoversTheHeadersThatChangeWhatIsDone) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask bare{"POST /v1/roles", {}, R"({"name":"dba"})"};
  for (const std::string name : {"if-match", "idempotency-key"}) {
    Ask added = script.sign(bare);
    added.headers[name] = "\"1\"";
    CO_EXPECT_CALL("401 bad_signature", added);
    Ask with = bare;
    with.headers[name] = "\"1\"";
    Ask changed = script.sign(with);
    changed.headers[name] = "\"2\"";
    CO_EXPECT_CALL("401 bad_signature", changed);
    Ask stripped = script.sign(with);
    stripped.headers.erase(name);
    CO_EXPECT_CALL("401 bad_signature", stripped);
  }
  const auto roles = co_await test.get<api::Page<api::RoleView>>({"GET /v1/roles"}, test.admin);
  CO_ASSERT_OK(roles);
  EXPECT_TRUE(roles->items.empty());
}

CO_TEST(SignedRequest, MakesOnceAndChangesWhatItSaw) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask make{"POST /v1/roles", {}, R"({"name":"dba"})", {{"idempotency-key", "k-1"}}};
  const auto first = co_await test.call(script.sign(make));
  const auto second = co_await test.call(script.sign(make));
  EXPECT_EQ(first.status, 201) << first.body;
  EXPECT_EQ(second.status, 201) << second.body;
  EXPECT_EQ(first.body, second.body);
  EXPECT_EQ(second.header("idempotency-replayed"), "true");
  Ask change{"PATCH /v1/roles/dba", {}, R"({"name":"dbas"})", {{"if-match", std::string(first.header("etag"))}}};
  CO_EXPECT_CALL("200", script.sign(change));
  change.route = "PATCH /v1/roles/dbas";
  CO_EXPECT_CALL("412 stale", script.sign(change));
}

CO_TEST(SignedRequest, HasItsTime) {
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
  clock.jump_wall(1min);
  const Ask ahead = script.sign({"GET /v1/roles"});
  clock.jump_wall(-1min);
  CO_EXPECT_CALL("200", ahead);
  CO_EXPECT_CALL("401 signature_replayed", ahead);
  clock.advance(6min - 1s);  // its last moment, or a little before: signatures tell no fractions
  CO_EXPECT_CALL("401 signature_replayed", ahead);
  clock.advance(1s + 1ms);
  CO_EXPECT_CALL("401 signature_time", ahead);
  clock.jump_wall(1min + 1s);
  const Ask further = script.sign({"GET /v1/roles"});
  clock.jump_wall(-1min - 1s);
  CO_EXPECT_CALL("401 signature_time", further);
}

// Its nonce has been forgotten by then, and it would be young again.
CO_TEST(SignedRequest, AClockThatIsSetBackTakesNothingTwice) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  Script script(test, clock);
  CO_ASSERT_OK(co_await script.set_up());
  const Ask ask = script.sign({"GET /v1/roles"});
  CO_EXPECT_CALL("200", ask);
  clock.advance(11min);
  clock.jump_wall(-9min);
  CO_EXPECT_CALL("401 signature_time", ask);
  CO_EXPECT_CALL("200", script.sign({"GET /v1/roles"}));
}

// What was remembered is lost with a restart, so what was signed before it is refused.
CO_TEST(SignedRequest, ARestartTakesNothingOld) {
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

CO_TEST(SignedRequest, EndsWithItsToken) {
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

CO_TEST(SignedRequest, OfASuspendedAccount) {
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
CO_TEST(SignedRequest, AWatchGoesOnUntilItsTokenIsRemoved) {
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
