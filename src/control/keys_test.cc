// Rotating authorities: announced, signing, retiring, gone; by itself and at an admin's word.
#include <gtest/gtest.h>

#include "base/id.h"
#include "control/join.h"
#include "control/test_plane.h"

namespace portolan::control {
namespace {

using namespace std::chrono_literals;
using testing::As;
using testing::LineSink;
using testing::TestPlane;

using Page = api::Page<api::KeyView>;

std::string reason(const auto& result) { return result ? "none" : std::string(result.error().stable_code()); }

net::Task<Result<std::vector<api::KeyView>>> keys(TestPlane& test, std::string purpose) {
  CO_TRY(auto page, co_await test.get<Page>({"GET /v1/keys", {{"purpose", purpose}}}, test.admin));
  co_return std::move(page.items);
}

// "signing announced", in the order of the list.
net::Task<std::string> states(TestPlane& test, std::string purpose) {
  const auto all = co_await keys(test, std::move(purpose));
  std::string text;
  if (all)
    for (const auto& key : *all) text += (text.empty() ? "" : " ") + key.state;
  co_return text;
}

net::Task<Result<Page>> act(TestPlane& test, std::string path, std::string body = "") {
  co_return co_await test.get<Page>({"POST /v1/keys/" + path, {}, std::move(body)}, test.admin);
}

// A watch of a node, which tells what it knows.
class NodeWatch {
 public:
  NodeWatch(TestPlane& test, As as, std::string trust)
      : sink(test.executor), connection_{.peer = "127.0.0.1", .certificate = as.certificate}, tasks_(test.executor) {
    net::http::Call call{.request = {.method = "GET",
                                     .path = "/v1/node",
                                     .query = {{"watch", "1"}, {"trust", std::move(trust)}},
                                     .headers = {},
                                     .body = {}},
                         .path_arguments = {},
                         .connection = &connection_};
    tasks_.spawn("watch", run(test.plane->router().match("GET", "/v1/node").stream_handler, std::move(call), &sink));
  }
  net::Task<> end() {
    sink.leave();
    co_await tasks_.join();
  }
  LineSink sink;

 private:
  static net::Task<> run(const net::http::StreamHandler* handler, net::http::Call call, LineSink* sink) {
    [[maybe_unused]] const auto done = co_await (*handler)(std::move(call), *sink);
  }
  net::http::Connection connection_;
  net::TaskGroup tasks_;
};

CO_TEST(Keys, AreListed) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  const auto all = co_await test.get<Page>({"GET /v1/keys"}, test.admin);
  CO_ASSERT_OK(all);
  CO_ASSERT_EQ(all->items.size(), 5U);
  const char* purposes[] = {"user", "node", "server", "identity", "sealing"};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(all->items[i].purpose, purposes[i]);
  const auto& core = test.plane->core();
  EXPECT_EQ(all->items[2].sha256, core.authorities.server.certificate().fingerprint());
  EXPECT_EQ(all->items[2].state, "signing");
  EXPECT_TRUE(all->items[2].until.has_value());
  EXPECT_EQ(all->items[3].kid, core.authorities.identity.signing().kid);
  EXPECT_EQ(all->items[3].sha256, "");
  EXPECT_EQ(all->items[4].id, core.sealing.id());
  EXPECT_EQ(all->items[4].state, "environment");
  CO_ASSERT_EQ((co_await test.call({"GET /v1/keys", {{"nonsense", "1"}}}, test.admin)).status, 400);
}

// With a node that is up: it must have taken the new authority before that signs, and renew before the old one goes.
CO_TEST(Keys, ARotationWaitsForThoseWhoAreHere) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  auto& rotation = test.plane->rotation();
  NodeWatch before(test, node->by_certificate, "none");
  const auto first = co_await before.sink.next_of<api::NodeEvent>("trust");
  CO_ASSERT_OK(first);
  const auto old_ca = crypto::Certificate::all_from_pem(first->trust->node_ca);
  CO_ASSERT_OK(old_ca);
  CO_ASSERT_EQ(old_ca->size(), 1U);

  CO_ASSERT_OK(co_await act(test, "node/rotate"));
  CO_ASSERT_EQ(co_await states(test, "node"), "signing announced");
  CO_ASSERT_EQ(reason(co_await act(test, "node/rotate")), "rotation_under_way");
  const auto told = co_await before.sink.next_of<api::NodeEvent>("trust");
  CO_ASSERT_OK(told);
  const auto both = crypto::Certificate::all_from_pem(told->trust->node_ca);
  CO_ASSERT_OK(both);
  CO_ASSERT_EQ(both->size(), 2U);
  EXPECT_EQ(both->front().fingerprint(), old_ca->front().fingerprint());
  CO_ASSERT_OK(co_await rotation.step());
  CO_ASSERT_EQ(co_await states(test, "node"), "signing announced");
  const auto waiting = co_await keys(test, "node");
  CO_ASSERT_OK(waiting);
  EXPECT_EQ(waiting->back().waiting_for, std::vector<std::string>{"relay-1"});

  // The node says that it has taken it.
  NodeWatch after(test, node->by_certificate, told->trust->version);
  CO_ASSERT_OK(co_await after.sink.next());
  co_await before.end();
  CO_ASSERT_OK(co_await rotation.step());
  CO_ASSERT_EQ(co_await states(test, "node"), "signing retiring");
  const auto signs = co_await after.sink.next_of<api::NodeEvent>("trust");
  CO_ASSERT_OK(signs);
  const auto now_first = crypto::Certificate::from_pem(signs->trust->node_ca);
  CO_ASSERT_OK(now_first);
  EXPECT_EQ(now_first->fingerprint(), both->back().fingerprint());

  // Its certificate is by the old one still.
  CO_ASSERT_EQ(reason(co_await act(test, "node/finish")), "still_needed");
  const auto answer = co_await test.get<api::RenewedCertificate>({"POST /v1/node/certificate"}, node->by_certificate);
  CO_ASSERT_OK(answer);
  const auto renewed = crypto::Certificate::from_pem(answer->certificate);
  CO_ASSERT_OK(renewed);
  EXPECT_TRUE(crypto::is_issued_by(*renewed, *now_first));
  const As by_new{.certificate = *renewed};
  NodeWatch newest(test, by_new, signs->trust->version);
  CO_ASSERT_OK(co_await newest.sink.next());
  CO_ASSERT_OK(co_await act(test, "node/finish"));
  CO_ASSERT_EQ(co_await states(test, "node"), "signing");
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, by_new)).status, 200);
  co_await after.end();
  co_await newest.end();
}

CO_TEST(Keys, TheOldOneGoesByItselfWhenItsLeavesHaveEnded) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await test.make_account("ann@example.com"));
  const auto ann = co_await test.sign_in("ann@example.com");
  CO_ASSERT_OK(ann);
  auto& rotation = test.plane->rotation();
  CO_ASSERT_OK(co_await act(test, "user/rotate"));
  CO_ASSERT_OK(co_await rotation.step());  // nobody is here to wait for
  CO_ASSERT_EQ(co_await states(test, "user"), "signing retiring");
  CO_ASSERT_EQ((co_await test.call({"GET /v1/whoami"}, ann->by_certificate)).status, 200);
  clock.advance(12h - 1s);
  CO_ASSERT_OK(co_await rotation.step());
  CO_ASSERT_EQ(co_await states(test, "user"), "signing retiring");
  clock.advance(1s);
  CO_ASSERT_OK(co_await rotation.step());
  CO_ASSERT_EQ(co_await states(test, "user"), "signing");
}

CO_TEST(Keys, FinishedByForceCutsOffThoseWhoNeedTheOldOne) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto node = co_await test.join("relay", "relay-1");
  CO_ASSERT_OK(node);
  CO_ASSERT_OK(co_await act(test, "node/rotate", R"({"now": true})"));
  CO_ASSERT_EQ((co_await test.call({"GET /v1/node"}, node->by_certificate)).status, 200);
  const auto refused = co_await act(test, "node/finish");
  CO_ASSERT_EQ(reason(refused), "still_needed");
  EXPECT_NE(refused.error().message.find("relay-1"), std::string::npos) << refused.error().message;
  CO_ASSERT_OK(co_await act(test, "node/finish", R"({"force": true})"));
  CO_ASSERT_TRUE((co_await test.call({"GET /v1/node"}, node->by_certificate)).status >= 400);
  CO_ASSERT_TRUE((co_await test.call({"POST /v1/node/certificate"}, node->by_certificate)).status >= 400);
}

// An old join token and pin go on working during the overlap, and say what to do after it.
CO_TEST(Keys, JoinTokensOfTheOldServerAuthority) {
  FakeClock clock;
  TestPlane test(co_await net::this_executor(), clock);
  CO_ASSERT_OK(co_await test.set_up());
  const auto early =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, "7d"}, test.admin);
  const auto late =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, "7d"}, test.admin);
  CO_ASSERT_TRUE(early && late);
  const auto join = [&](const Secret& token, std::string name) {
    return test.post<api::Joined>("/v1/node/join",
                                  api::JoinRequest{.token = token,
                                                   .public_key = crypto::PrivateKey::generate().public_key().pem(),
                                                   .name = std::move(name),
                                                   .address = "",
                                                   .version = "1"},
                                  As{});
  };
  CO_ASSERT_OK(co_await act(test, "server/rotate", R"({"now": true, "overlap": "1d"})"));
  const auto trust = co_await test.get<api::Trust>({"GET /v1/trust"}, As{});
  CO_ASSERT_OK(trust);
  EXPECT_TRUE(early->token.reveal().ends_with(trust->server_ca_sha256));
  CO_ASSERT_OK(co_await join(early->token, "relay-1"));
  const auto between =
      co_await test.post<api::JoinTokenMade>("/v1/join-tokens", api::JoinTokenCreate{"relay", {}, "7d"}, test.admin);
  CO_ASSERT_OK(between);
  clock.advance(25h);
  CO_ASSERT_OK(co_await test.plane->rotation().step());
  const auto refused = co_await join(late->token, "relay-2");
  CO_ASSERT_EQ(reason(refused), "join_token");
  EXPECT_NE(refused.error().message.find("replaced"), std::string::npos) << refused.error().message;
  CO_ASSERT_OK(co_await join(between->token, "relay-3"));
}

CO_TEST(Keys, EachStepIsAnActivity) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await act(test, "server/rotate", R"({"now": true})"));
  CO_ASSERT_OK(co_await act(test, "server/finish"));
  const auto all = test.plane->core().directory->activities({.after = 0, .limit = 1000});
  CO_ASSERT_OK(all);
  std::vector<std::string> verbs;
  for (const auto& activity : all->items) {
    if (!activity.verb.starts_with("authority.")) continue;
    verbs.push_back(activity.verb);
    EXPECT_EQ((activity.before + activity.after).find("v1."), std::string::npos) << "a sealed key";
  }
  const std::vector<std::string> wanted = {"authority.created", "authority.created", "authority.created",
                                           "authority.created", "authority.created", "authority.updated",
                                           "authority.updated", "authority.deleted"};
  EXPECT_EQ(verbs, wanted);
}

CO_TEST(Keys, BadWishes) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_EQ(reason(co_await act(test, "ssh/rotate")), "not_found");
  CO_ASSERT_EQ(reason(co_await act(test, "node/rotate", R"({"overlap": "soon"})")), "invalid");
  CO_ASSERT_EQ(reason(co_await act(test, "node/rotate", R"({"overlap": "9999d"})")), "invalid");
  CO_ASSERT_EQ(reason(co_await act(test, "node/rotate", R"({"later": true})")), "invalid");
  CO_ASSERT_EQ(reason(co_await act(test, "node/activate")), "no_rotation");
  CO_ASSERT_EQ(reason(co_await act(test, "node/finish")), "no_rotation");
}

// What was rotated is there after a restart.
CO_TEST(Keys, OutliveARestart) {
  TestPlane test(co_await net::this_executor());
  CO_ASSERT_OK(co_await test.set_up());
  CO_ASSERT_OK(co_await act(test, "user/rotate", R"({"now": true})"));
  const std::string signing = test.plane->core().authorities.user.signing_id();
  test.open();
  EXPECT_EQ(test.plane->core().authorities.user.signing_id(), signing);
  EXPECT_EQ(test.plane->core().authorities.user.all().size(), 2U);
}

}  // namespace
}  // namespace portolan::control
