// Certificates that renew themselves: who may, what comes of it, and what the old one is still worth.
#include <gtest/gtest.h>

#include "base/id.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::JoinedNode;
using testing::Person;
using testing::TestPlane;

constexpr const char* kNodePath = "POST /v1/node/certificate";
constexpr const char* kUserPath = "POST /v1/sign-ins/current/certificate";

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

net::Task<Result<crypto::Certificate>> renew(TestPlane& test, const char* path, As as) {
  CO_TRY(const auto answer, co_await test.get<api::RenewedCertificate>({path}, std::move(as)));
  co_return crypto::Certificate::from_pem(answer.certificate);
}

// Opens a watch, as the holder of a new certificate does at once, and leaves it.
net::Task<> watch_once(TestPlane& test, std::string path, As as, std::map<std::string, std::string> query = {}) {
  query["watch"] = "1";
  net::http::Connection connection{.peer = "127.0.0.1", .certificate = as.certificate};
  testing::LineSink sink(test.executor);
  net::http::Call call{.request = {.method = "GET", .path = path, .query = std::move(query), .headers = {}, .body = {}},
                       .path_arguments = {},
                       .connection = &connection};
  net::TaskGroup tasks(test.executor);
  const auto run = [](const net::http::StreamHandler* handler, net::http::Call its_call,
                      testing::LineSink* its_sink) -> net::Task<> {
    [[maybe_unused]] const auto done = co_await (*handler)(std::move(its_call), *its_sink);
  };
  tasks.spawn("watch", run(test.plane->router().match("GET", path).stream_handler, std::move(call), &sink));
  [[maybe_unused]] const auto line = co_await sink.next();
  sink.leave();
  co_await tasks.join();
}

CO_TEST(Renewal, ANodeGetsTheSameNameAndKeyForAnotherLife) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  const auto& old = *node->by_certificate.certificate;
  EXPECT_EQ(old.renewal() - clock.wall(), std::chrono::days(20));
  clock.advance(std::chrono::days(20));
  const auto fresh = co_await renew(test, kNodePath, node->by_certificate);
  CO_ASSERT_OK(fresh);
  EXPECT_EQ(fresh->uris(), old.uris());
  EXPECT_TRUE(fresh->public_key() == old.public_key());
  EXPECT_NE(fresh->serial(), old.serial());
  EXPECT_GT(fresh->not_after(), old.not_after());

  // Until the new one is seen in use both are good: a crash between the answer and the disk locks nobody out.
  const As by_new{.certificate = *fresh};
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, node->by_certificate)).status, 200);
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, by_new)).status, 200);
  co_await watch_once(test, "/v1/node", by_new);
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, by_new)).status, 200);
  const auto refused = co_await test.get<api::NodeView>({"GET /v1/node"}, node->by_certificate);
  EXPECT_EQ(reason(refused), "certificate_replaced");
  const auto again = co_await renew(test, kNodePath, node->by_certificate);
  EXPECT_EQ(reason(again), "certificate_replaced");
}

CO_TEST(Renewal, ALostAnswerIsAskedForAgain) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  const auto lost = co_await renew(test, kNodePath, node->by_certificate);
  const auto kept = co_await renew(test, kNodePath, node->by_certificate);
  CO_ASSERT_TRUE(lost && kept);
  const auto by_lost = co_await test.get<api::NodeView>({"GET /v1/node"}, As{.certificate = *lost});
  EXPECT_EQ(reason(by_lost), "certificate_replaced");
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, As{.certificate = *kept})).status, 200);
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, node->by_certificate)).status, 200);
}

CO_TEST(Renewal, WhoMayNot) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  const auto node = co_await test.join("relay", "relay-1");
  const auto revoked = co_await test.join("relay", "relay-2");
  CO_ASSERT_TRUE(ann && node && revoked);

  // Nobody asks for another name or key: nothing can be asked for at all.
  const auto asked = co_await test.call({kNodePath, {}, R"({"node": "n-1"})"}, node->by_certificate);
  EXPECT_EQ(asked.status, 400) << asked.body;
  // A person by a node's path and the other way round.
  CO_ASSERT_EQ((co_await test.call({kNodePath}, ann->by_certificate)).status, 403);
  CO_ASSERT_EQ((co_await test.call({kUserPath}, node->by_certificate)).status, 403);
  CO_ASSERT_EQ((co_await test.call({kNodePath})).status, 401);
  // A revoked node.
  CO_ASSERT_EQ((co_await test.call({"DELETE /v1/nodes/relay-2"}, test.admin)).status, 204);
  CO_ASSERT_EQ(reason(co_await renew(test, kNodePath, revoked->by_certificate)), "node_revoked");
  // A stranger's authority, with our names.
  const auto stranger =
      crypto::Authority::create("portolan node CA", crypto::Profile::kNode, clock.wall(), std::chrono::hours(1));
  const auto forged = stranger.issue({.profile = crypto::Profile::kNode,
                                      .key = node->by_certificate.certificate->public_key(),
                                      .common_name = "x",
                                      .uris = node->by_certificate.certificate->uris()},
                                     clock.wall());
  CO_ASSERT_OK(forged);
  CO_ASSERT_TRUE((co_await test.call({kNodePath}, As{.certificate = *forged})).status >= 400);
  // One that has ended.
  clock.advance(std::chrono::days(31));
  CO_ASSERT_TRUE((co_await test.call({kNodePath}, node->by_certificate)).status >= 400);
}

net::Task<Result<Person>> sign_in_renewing(TestPlane& test, std::string email) {
  const auto key = crypto::PrivateKey::generate();
  api::SignInRequest request{.email = std::move(email),
                             .password = Secret(TestPlane::kPassword),
                             .public_key = key.public_key().pem(),
                             .device_name = "laptop",
                             .device = {},
                             .renews = true};
  CO_TRY(auto signed_in, co_await test.post<api::SignedIn>("/v1/sign-ins", std::move(request), As{}));
  CO_TRY(auto certificate, crypto::Certificate::from_pem(signed_in.certificate));
  const As by_token{.token = signed_in.token.reveal()};
  co_return Person{std::move(signed_in), key, by_token, As{.certificate = std::move(certificate)}};
}

CO_TEST(Renewal, APersonRenewsUntilTheSignInEnds) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  auto ann = co_await sign_in_renewing(test, "ann@example.com");
  CO_ASSERT_OK(ann);
  EXPECT_EQ(ann->by_certificate.certificate->not_after() - clock.wall(), 1h);
  int renewals = 0;
  for (; ann->by_certificate.certificate->not_after() < ann->signed_in.ends && renewals < 30; ++renewals) {
    clock.advance(40min);
    const auto fresh = co_await renew(test, kUserPath, ann->by_certificate);
    CO_ASSERT_OK(fresh);
    EXPECT_EQ(fresh->uris(), ann->by_certificate.certificate->uris());
    ann->by_certificate.certificate = *fresh;
    co_await watch_once(test, "/v1/agent", ann->by_certificate);
  }
  EXPECT_EQ(renewals, 17);  // 12 h in steps of 40 min
  EXPECT_EQ(ann->by_certificate.certificate->not_after(), ann->signed_in.ends);
  clock.advance(ann->signed_in.ends - clock.wall());
  CO_ASSERT_TRUE((co_await test.call({kUserPath}, ann->by_certificate)).status >= 400);
}

// A machine that has slept for longer than its certificate lasted.
CO_TEST(Renewal, TheTokenDoesWhenTheCertificateHasEnded) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await sign_in_renewing(test, "ann@example.com");
  CO_ASSERT_OK(ann);
  clock.advance(2h);
  CO_ASSERT_TRUE((co_await test.call({kUserPath}, ann->by_certificate)).status >= 400);
  const auto fresh = co_await renew(test, kUserPath, ann->by_token);
  CO_ASSERT_OK(fresh);
  EXPECT_TRUE(fresh->public_key() == ann->key.public_key());
  CO_ASSERT_EQ((co_await test.call({"GET /v1/whoami"}, As{.certificate = *fresh})).status, 200);
  CO_ASSERT_TRUE((co_await test.call({kUserPath}, test.admin)).status == 403);  // an API token is no sign-in
  clock.advance(10h);
  CO_ASSERT_EQ(reason(co_await renew(test, kUserPath, ann->by_token)), "sign_in_expired");
}

// Every certificate of an ended sign-in is denied, not only the newest.
CO_TEST(Renewal, ASignOutTakesBackAllOfThem) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await sign_in_renewing(test, "ann@example.com");
  const auto gateway = co_await test.join("gateway", "gateway-1");
  CO_ASSERT_TRUE(ann && gateway);
  clock.advance(40min);
  const auto fresh = co_await renew(test, kUserPath, ann->by_certificate);
  CO_ASSERT_OK(fresh);
  CO_ASSERT_EQ((co_await test.call({"DELETE /v1/sign-ins/current"}, ann->by_token)).status, 204);
  CO_ASSERT_EQ(reason(co_await renew(test, kUserPath, ann->by_certificate)), "signed_out");
  CO_ASSERT_EQ(reason(co_await renew(test, kUserPath, As{.certificate = *fresh})), "signed_out");
  const auto view = co_await test.get<api::NodeView>({"GET /v1/node"}, gateway->by_certificate);
  CO_ASSERT_OK(view);
  for (const auto& serial : {ann->by_certificate.certificate->serial(), fresh->serial()})
    EXPECT_EQ(std::ranges::count(view->denied_serials, serial), 1) << serial;
}

// An agent of an older release does not renew; nor does a node of one let links go on.
CO_TEST(Renewal, OlderReleasesGetCertificatesThatLast) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto older = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(older);
  EXPECT_EQ(older->by_certificate.certificate->not_after(), older->signed_in.ends);

  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  net::http::Connection connection{.peer = "127.0.0.1", .certificate = node->by_certificate.certificate};
  for (const bool tells : {false, true}) {
    std::map<std::string, std::string> query = {{"watch", "1"}};
    if (tells) query["trust"] = "none";
    testing::LineSink sink(test.executor);
    net::http::Call call{.request = {.method = "GET", .path = "/v1/node", .query = query, .headers = {}, .body = {}},
                         .path_arguments = {},
                         .connection = &connection};
    net::TaskGroup tasks(test.executor);
    const auto run = [](const net::http::StreamHandler* handler, net::http::Call its_call,
                        testing::LineSink* its_sink) -> net::Task<> {
      [[maybe_unused]] const auto done = co_await (*handler)(std::move(its_call), *its_sink);
    };
    tasks.spawn("watch", run(test.plane->router().match("GET", "/v1/node").stream_handler, std::move(call), &sink));
    CO_ASSERT_OK(co_await sink.next());
    const auto ann = co_await sign_in_renewing(test, "ann@example.com");
    CO_ASSERT_OK(ann);
    EXPECT_EQ(ann->by_certificate.certificate->not_after() - clock.wall(), tells ? 1h : 12h);
    sink.leave();
    co_await tasks.join();
  }
}

}  // namespace
}  // namespace portolan::control
