#include "protocols/postgres/client_side.h"

#include "protocols/postgres/test_peer.h"

namespace portolan::protocols::postgres {
namespace {

TEST(ClientSide, Versions) {
  EXPECT_TRUE(version_answer({0, {{"user", "a"}}}).empty());
  EXPECT_EQ(version_answer({2, {{"user", "a"}}}), negotiate_version({}));
  EXPECT_EQ(version_answer({0, {{"user", "a"}, {"_pq_.x", "1"}}}), negotiate_version({"_pq_.x"}));
}

TEST(ClientSide, RefusalsSayAllThatHelps) {
  struct Case {
    Error why;
    std::string_view sqlstate;
    std::string_view hint;
  };
  const Case cases[] = {
      {{Code::kDenied, "no grant", "no_grant", Hop::kControlPlane}, "28000", "will not help"},
      {{Code::kUnauthenticated, "no", {}, Hop::kEgress}, "28000", "will not help"},
      {{Code::kUnavailable, "away", {}, Hop::kAgent}, "08006", "can help"},
      {{Code::kTimeout, "slow", {}, Hop::kResource}, "08006", "can help"},
      {{Code::kIo, "refused", {}, Hop::kResource}, "08006", "can help"},
      {{Code::kLimit, "too many", {}, Hop::kGateway}, "53300", "can help"},
      {{Code::kProtocol, "what", {}, Hop::kEgress}, "08P01", "will not help"},
      {{Code::kInternal, "bug", {}, Hop::kEgress}, "XX000", "will not help"},
      {{Code::kNotFound, "no db", "sqlstate_3D000", Hop::kResource}, "3D000", "will not help"},
  };
  for (const Case& c : cases) {
    const std::string text = text_of(refusal(c.why, "t-123"));
    expect_contains(text, {"SFATAL\0"sv, z("C"s + std::string(c.sqlstate)), z("MPortolan: " + c.why.message),
                           name_of(c.why.hop), c.why.stable_code(), "t-123", c.hint});
  }
  expect_contains(
      text_of(termination({Code::kDenied, "access was taken away", "revoked", Hop::kControlPlane}, "t-123")),
      {"C57P01\0"sv, "terminating connection: Portolan: access was taken away\0"sv, "revoked", "t-123"});
  expect_contains(text_of(termination({Code::kIo, "lost", "gateway_lost", Hop::kGateway}, "t-123")),
                  {"C08006\0"sv, "terminating connection: Portolan: lost\0"sv, "Trying again can help."});
  EXPECT_FALSE(text_of(refusal({Code::kDenied, "no"}, "")).contains("trace"));
}

struct Refused {
  std::unique_ptr<Peer> client;
  net::TaskGroup group;
  Refused(const net::Executor& executor, Error why, std::chrono::milliseconds limit) : group(executor) {
    auto [ours, theirs] = net::memory_pair(executor);
    client = std::make_unique<Peer>(std::move(ours));
    group.spawn("refuse", refuse(std::move(theirs), std::move(why), "t-9", limit));
  }
};

const Error kNoGrant{Code::kDenied, "no grant for billing", "no_grant", Hop::kEgress};

CO_TEST(Refuse, TellsWhoeverAsksToComeIn) {
  for (const bool asks_for_tls : {false, true}) {
    Refused refused(co_await net::this_executor(), kNoGrant, 5s);
    if (asks_for_tls) {
      co_await refused.client->send(text_of(ssl_request()));
      const std::string answer = co_await refused.client->raw(1);
      EXPECT_EQ(answer, "N");
    }
    co_await refused.client->send(startup({{"user", "alice"}}));
    const std::string said = co_await refused.client->next();
    expect_contains(said, {"28000", "Portolan: no grant for billing", "no_grant", "egress", "t-9"});
    const std::string end = co_await refused.client->next();
    EXPECT_EQ(end, "end");
    refused.client->disconnect();
    co_await refused.group.join();
  }
}

CO_TEST(Refuse, SaysNothingToOthers) {
  const std::string beginnings[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\n\r\n",
                                    text_of(cancel_request({1, 2}))};
  for (const std::string& begin : beginnings) {
    Refused refused(co_await net::this_executor(), kNoGrant, 5s);
    co_await refused.client->send(begin);
    const std::string end = co_await refused.client->raw(1);
    EXPECT_EQ(end, "");
    co_await refused.group.join();
  }
}

CO_TEST(Refuse, DoesNotWaitLongerThanItMay) {
  Refused silent(co_await net::this_executor(), kNoGrant, 20ms);
  const std::string end = co_await silent.client->raw(1);
  EXPECT_EQ(end, "");
  co_await silent.group.join();
  Refused gone(co_await net::this_executor(), kNoGrant, 5s);
  gone.client->half_close();
  co_await gone.group.join();
}

}  // namespace
}  // namespace portolan::protocols::postgres
