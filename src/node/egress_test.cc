#include "node/egress.h"

#include <gtest/gtest.h>

#include "node/egress_testing.h"

namespace portolan::node {
namespace {
using namespace std::chrono_literals;

CO_TEST(Egress, LetsAGrantedOneThroughAndRecordsIt) {
  Rig rig(co_await net::this_executor());
  auto link = co_await rig.connect();
  CO_ASSERT_OK(link);
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  EXPECT_EQ((*stream)->answer().at("portolan-lease-ms"), "300000");
  CO_ASSERT_OK(co_await net::write(**stream, as_bytes("hello")));
  const auto back = co_await net::read(**stream);
  CO_ASSERT_OK(back);
  EXPECT_EQ(as_text(back->data()), "hello");
  EXPECT_EQ(rig.leases.sessions(), 1U);
  CO_ASSERT_OK(co_await net::finish(**stream, 5s));
  const auto end = co_await net::read(**stream);
  CO_ASSERT_OK(end);
  co_await rig.stop();
  CO_ASSERT_EQ(rig.spool.records.size(), 2U);
  EXPECT_EQ(rig.spool.records[1].reason, "closed");
  EXPECT_EQ(rig.spool.records[1].bytes_in, 5U);
}

CO_TEST(Egress, RefusesEveryAssertionThatIsNotThisOnesForThisStream) {
  Rig rig(co_await net::this_executor());
  auto link = co_await rig.connect();
  auto other = co_await rig.connect();
  CO_ASSERT_OK(link);
  CO_ASSERT_OK(other);
  struct Case {
    const char* what;
    std::function<void(api::Assertion&)> change;
    std::string reason;
  };
  const Bytes other_binding = (*other)->binding;
  const std::vector<Case> cases = {
      {"of another account", [](auto& a) { a.account = "a-2"; }, "assertion_foreign"},
      {"of another device", [](auto& a) { a.device = "d-2"; }, "assertion_foreign"},
      {"for another resource", [](auto& a) { a.resource = "rs-2"; }, "assertion_foreign"},
      {"for another node", [](auto& a) { a.node = "n-2"; }, "assertion_foreign"},
      {"made for another link", [&](auto& a) { a.binding = other_binding; }, "assertion_foreign"},
      {"of an hour ago", [](auto& a) { a.time -= 1h; }, ""},
      {"of tomorrow", [](auto& a) { a.time += 24h; }, ""},
  };
  for (const Case& bad : cases) {
    api::Assertion assertion = rig.good(**link);
    bad.change(assertion);
    const auto stream = co_await rig.open(**link, api::sign_assertion(assertion, rig.user_key));
    EXPECT_FALSE(stream) << bad.what;
    if (!stream && !bad.reason.empty()) EXPECT_EQ(stream.error().reason, bad.reason) << bad.what;
    if (!stream) EXPECT_EQ(stream.error().hop, Hop::kEgress) << bad.what;
  }
  const auto foreign = co_await rig.open(**link, api::sign_assertion(rig.good(**link), crypto::PrivateKey::generate()));
  EXPECT_FALSE(foreign);
  const auto none = co_await rig.open(**link, "");
  EXPECT_FALSE(none);
  const std::string once = api::sign_assertion(rig.good(**link), rig.user_key);
  const auto first = co_await rig.open(**link, once);
  CO_ASSERT_OK(first);
  const auto replayed = co_await rig.open(**link, once);
  CO_ASSERT_TRUE(!replayed);
  EXPECT_EQ(replayed.error().reason, "assertion_replayed");
  const auto odd = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key), "delete");
  EXPECT_FALSE(odd);
  // Others go on.
  const auto good = co_await rig.open(**other, api::sign_assertion(rig.good(**other), rig.user_key));
  EXPECT_TRUE(good);
  co_await rig.stop();
}

CO_TEST(Egress, AnAccountHasItsShareOfLinksAndStreams) {
  Rig rig(co_await net::this_executor(), {.links_per_account = 2, .streams_per_account = 3});
  auto first = co_await rig.connect();
  auto second = co_await rig.connect();
  CO_ASSERT_OK(first);
  CO_ASSERT_OK(second);
  std::vector<std::unique_ptr<tunnel::MuxStream>> streams;
  for (tunnel::Link* link : {first->get(), second->get(), first->get()}) {
    auto stream = co_await rig.open(*link, api::sign_assertion(rig.good(*link), rig.user_key));
    CO_ASSERT_OK(stream);
    streams.push_back(std::move(*stream));
  }
  const auto fourth = co_await rig.open(**second, api::sign_assertion(rig.good(**second), rig.user_key));
  CO_ASSERT_ERROR(fourth, Code::kLimit);
  EXPECT_EQ(fourth.error().reason, "too_many_streams");
  auto third = co_await rig.connect();
  if (third) {
    const auto beyond = co_await rig.open(**third, api::sign_assertion(rig.good(**third), rig.user_key));
    EXPECT_FALSE(beyond);
  }
  // What has ended makes room.
  CO_ASSERT_OK(co_await net::finish(*streams.back(), 5s));
  streams.pop_back();
  for (int i = 0; i < 1000 && rig.leases.sessions() > 2; ++i) co_await net::yield_to_loop();
  CO_ASSERT_OK(co_await rig.open(**second, api::sign_assertion(rig.good(**second), rig.user_key)));
  co_await rig.stop();
}

CO_TEST(Egress, AllLinksOfAnAccountAreChargedToIt) {
  Rig rig(co_await net::this_executor());
  auto first = co_await rig.connect();
  auto second = co_await rig.connect();
  CO_ASSERT_OK(first);
  CO_ASSERT_OK(second);
  const auto account = rig.memory.of(kAnn.account);
  std::size_t before = account->used;
  std::vector<std::unique_ptr<tunnel::MuxStream>> streams;
  for (tunnel::Link* link : {first->get(), second->get()}) {
    auto stream = co_await rig.open(*link, api::sign_assertion(rig.good(*link), rig.user_key));
    CO_ASSERT_OK(stream);
    streams.push_back(std::move(*stream));
    EXPECT_GT(account->used, before);
    before = account->used;
  }
  EXPECT_EQ(rig.memory.all()->used, account->used);
  co_await rig.stop();
}

CO_TEST(Egress, TellsWhyTheControlPlaneSaidNo) {
  Rig rig(co_await net::this_executor());
  rig.denial = Error{Code::kDenied, "ann may not use \"echo\"; ask an admin", "no_grant"};
  auto link = co_await rig.connect();
  CO_ASSERT_OK(link);
  const auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_TRUE(!stream);
  EXPECT_EQ(stream.error().reason, "no_grant");
  EXPECT_EQ(stream.error().hop, Hop::kControlPlane);
  EXPECT_NE(stream.error().message.find("ask an admin"), std::string::npos);
  co_await rig.stop();
}

CO_TEST(Egress, RevocationEndsALiveSession) {
  Rig rig(co_await net::this_executor());
  auto link = co_await rig.connect();
  CO_ASSERT_OK(link);
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  const auto renewed = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key), "renew");
  CO_ASSERT_OK(renewed);
  rig.leases.revoke({"l-1"}, "membership taken away");
  auto rest = co_await net::read(**stream);
  while (rest && !rest->empty()) rest = co_await net::read(**stream);
  co_await rig.stop();
  CO_ASSERT_EQ(rig.spool.records.size(), 2U);
  EXPECT_EQ(rig.spool.records[1].reason, "membership taken away");
}

CO_TEST(Egress, TellsTheAgentWhichSessionsItEndsAndWhy) {
  Rig rig(co_await net::this_executor());
  auto link = co_await rig.connect();
  auto other = co_await rig.connect();
  CO_ASSERT_OK(link);
  CO_ASSERT_OK(other);
  auto told = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key), "endings");
  CO_ASSERT_OK(told);
  const auto second = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key), "endings");
  CO_ASSERT_ERROR(second, Code::kConflict);
  auto closed = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(closed);
  CO_ASSERT_OK(co_await net::finish(**closed, 5s));
  for (int i = 0; i < 1000 && rig.leases.sessions() > 0; ++i) co_await net::yield_to_loop();
  auto stream = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(stream);
  const std::string session = (*stream)->answer().at("portolan-session");
  rig.leases.revoke({"l-1"}, "membership taken away");
  const auto line = co_await net::read(**told);
  CO_ASSERT_OK(line);
  const auto ending = json::decode<api::SessionEnding>(as_text(line->data()), json::Unknown::kRefuse);
  CO_ASSERT_OK(ending);
  EXPECT_EQ(ending->session, session);  // and nothing of the one that was closed
  EXPECT_EQ(ending->resource, "rs-1");
  EXPECT_EQ(ending->reason, "membership taken away");
  co_await rig.stop();
  const auto end = co_await net::read(**told);
  EXPECT_TRUE(!end || end->empty());
}

CO_TEST(Egress, WhoLeavesBeginsNoSessionsAndLetsThoseThatRunGoOn) {
  Rig rig(co_await net::this_executor());
  auto link = co_await rig.connect();
  CO_ASSERT_OK(link);
  const auto running = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_OK(running);
  rig.egress.leave(Error{Code::kUnavailable, "relay r1 is stopping", "node_stopping", Hop::kEgress});
  const int leases = rig.control.calls;
  const auto refused = co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key));
  CO_ASSERT_ERROR(refused, Code::kUnavailable);
  EXPECT_EQ(refused.error().reason, "node_stopping");
  EXPECT_EQ(refused.error().hop, Hop::kEgress);
  EXPECT_TRUE(refused.error().retry_can_help()) << "the agent tries the next node";
  EXPECT_EQ(rig.control.calls, leases) << "no credential is fetched for it";
  CO_ASSERT_OK(co_await net::write(**running, as_bytes("still here")));
  const auto heard = co_await net::read(**running);
  CO_ASSERT_OK(heard);
  EXPECT_EQ(as_text(heard->data()), "still here");
  // And its lease is renewed meanwhile.
  CO_ASSERT_OK(co_await rig.open(**link, api::sign_assertion(rig.good(**link), rig.user_key), "renew"));
  EXPECT_EQ(rig.leases.sessions(), 1U);
  co_await rig.stop();
}

// A link lives as long as the newest certificate that its owner has proven here, on whatever link.
CO_TEST(Egress, AnOlderLinkGoesOnWithARenewedCertificate) {
  for (const bool renews : {true, false}) {
    Rig rig(co_await net::this_executor());
    const auto older = co_await rig.connect();
    CO_ASSERT_OK(older);
    if (renews) rig.user = rig.renewed;
    const auto newer = co_await rig.connect();
    CO_ASSERT_OK(newer);
    for (int i = 0; i < 50 && rig.egress.links() < 2; ++i) co_await net::yield_to_loop();
    CO_ASSERT_EQ(rig.egress.links(), 2U);
    const auto sweep = [&](std::chrono::milliseconds at) {
      rig.clock.moved = at;
      rig.egress.end_denied();
      rig.clock.moved = at + kGoodbye;
      rig.egress.end_denied();
    };
    sweep(2h);
    for (int i = 0; i < 200; ++i) co_await net::yield_to_loop();
    EXPECT_EQ(rig.egress.links(), renews ? 2U : 0U);
    sweep(4h);
    for (int i = 0; i < 200; ++i) co_await net::yield_to_loop();
    EXPECT_EQ(rig.egress.links(), 0U);
    co_await rig.stop();
  }
}

// The authority of a stolen key is taken away: its people's links end.
CO_TEST(Egress, LinksOfAnAuthorityThatIsNotTrustedAnyMoreEnd) {
  Rig rig(co_await net::this_executor());
  const auto link = co_await rig.connect();
  CO_ASSERT_OK(link);
  for (int i = 0; i < 50 && rig.egress.links() < 1; ++i) co_await net::yield_to_loop();
  rig.egress.end_untrusted(rig.own.user_trust);
  for (int i = 0; i < 200; ++i) co_await net::yield_to_loop();
  EXPECT_EQ(rig.egress.links(), 1U);
  const auto other = crypto::Authority::create("users", crypto::Profile::kUser, Clock::real().wall(), 1h);
  rig.egress.end_untrusted({other.certificate()});
  for (int i = 0; i < 200; ++i) co_await net::yield_to_loop();
  EXPECT_EQ(rig.egress.links(), 0U);
  co_await rig.stop();
}

}  // namespace
}  // namespace portolan::node
