#include "protocols/http/test_peer.h"
#include "protocols/http/websocket.h"

namespace portolan::protocols::http {
namespace {

const std::string kUpgrade = get("/socket",
                                 "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
                                 "13\r\nOrigin: http://wiki.localhost:65230\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
const std::string kSwitched =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const std::string kHello = "\x81\x85maskhello"s;  // of a client
const std::string kAnswer = "\x81\x02hi"s;

CO_TEST(HttpSwitched, FramesPassAndAreCounted) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  // Some of what follows comes with the heads.
  std::string seen = co_await setup.exchange(kUpgrade, kSwitched + kAnswer);
  expect_contains(seen, {"Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Sec-WebSocket-Key: dGhl",
                         "Origin: http://wiki.example\r\n"});
  std::string answer = co_await setup.client->until(kAnswer);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 "));
  expect_contains(answer, {"Sec-WebSocket-Accept: s3pP", "Upgrade: websocket\r\n"});
  co_await setup.client->send(kHello + kHello);
  seen = co_await setup.applications[0]->until(kHello + kHello);
  co_await setup.applications[0]->send("\x88\x00"s);
  answer = co_await setup.client->until("\x88\x00"s);
  setup.applications[0]->half_close();
  setup.client->half_close();
  co_await setup.group.join();
  CO_ASSERT_OK(*setup.outcome);
  CO_ASSERT_EQ(setup.session.queries_.size(), 1U);
  const auto& http = *setup.session.queries_[0].http;
  EXPECT_EQ(http.status, 101U);
  EXPECT_EQ(http.messages_in, 2U);
  EXPECT_EQ(http.messages_out, 1U);
  EXPECT_EQ(http.bytes_in, 2 * kHello.size());
}

CO_TEST(HttpSwitched, WhatIsNoFrameDoesNotPass) {
  const auto executor = co_await net::this_executor();
  Setup setup(executor);
  setup.begin();
  std::string seen = co_await setup.exchange(kUpgrade, kSwitched);
  std::string answer = co_await setup.client->head();
  co_await setup.client->send("GET /smuggled HTTP/1.1\r\nHost: wiki.example\r\n\r\n");
  seen = co_await setup.applications[0]->rest();
  EXPECT_EQ(seen, "");
  co_await setup.leave();
  EXPECT_EQ(setup.outcome->error().reason, "bad_frame");

  Setup masked(executor);
  masked.begin();
  seen = co_await masked.exchange(kUpgrade, kSwitched);
  answer = co_await masked.client->head();
  co_await masked.applications[0]->send(kHello);
  answer = co_await masked.client->until("\x88");
  expect_lacks(answer, {"hello"});
  co_await masked.leave();
  EXPECT_EQ(masked.outcome->error().hop, Hop::kResource);
}

CO_TEST(HttpSwitched, WhenItMustEndTheBrowserIsTold) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  const std::string seen = co_await setup.exchange(kUpgrade, kSwitched + kAnswer);
  std::string answer = co_await setup.client->until(kAnswer);
  setup.session.stop_.stop({Code::kDenied, "access was taken away", "lease_ended", Hop::kEgress});
  answer = co_await setup.client->until("taken away");
  EXPECT_EQ(answer, close_frame(1001, "access was taken away"));
  co_await setup.leave();
  EXPECT_EQ(setup.outcome->error().reason, "lease_ended");
}

CO_TEST(HttpSwitched, InTheMiddleOfAFrameNothingIsSaid) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  const std::string seen = co_await setup.exchange(kUpgrade, kSwitched + "\x81\x05hel");
  std::string answer = co_await setup.client->until("hel");
  setup.session.stop_.stop({Code::kDenied, "access was taken away", "lease_ended", Hop::kEgress});
  answer = co_await setup.client->rest();
  EXPECT_EQ(answer, "");
  co_await setup.leave();
}

CO_TEST(HttpSwitched, AnApplicationThatRefusesAnswersAsAnyOther) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  const std::string seen = co_await setup.exchange(kUpgrade, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  const std::string answer = co_await setup.client->until("\r\n\r\nno");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403"));
  expect_contains(answer, {"Connection: close\r\n"});
  co_await setup.leave();
}

// What a client sends behind its wish for a WebSocket has not been checked by its web proxy: it is never a request.
CO_TEST(HttpSwitched, NoRequestFollowsOneForAWebSocket) {
  const auto executor = co_await net::this_executor();
  const std::string answers[] = {kOk, "HTTP/1.1 204 No Content\r\n\r\n",
                                 "HTTP/1.1 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
  for (const std::string& refusal : answers) {
    Setup setup(executor);
    setup.begin();
    co_await setup.client->send(kUpgrade + get("/unchecked"));
    Peer* app = co_await setup.application();
    CO_ASSERT_TRUE(app != nullptr);
    std::string seen = co_await app->head();
    co_await app->send(refusal);
    const std::string answer = co_await setup.client->head();
    expect_contains(answer, {"Connection: close\r\n"});
    setup.client->half_close();
    co_await setup.group.join();
    EXPECT_EQ(setup.applications.size(), 1U) << refusal;
    seen = co_await app->rest();
    expect_lacks(seen, {"unchecked"});
  }
}

CO_TEST(HttpSwitched, TheSwitchIsChecked) {
  const auto executor = co_await net::this_executor();
  const std::string accept = "Sec-WebSocket-Accept: x\r\n";
  const std::string cases[] = {"Connection: Upgrade\r\nUpgrade: h2c\r\n" + accept, "Upgrade: websocket\r\n" + accept,
                               "Connection: Upgrade\r\nUpgrade: websocket\r\n",
                               "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n" + accept};
  for (const std::string& switched : cases) {
    Setup setup(executor);
    setup.begin();
    const std::string seen = co_await setup.exchange(kUpgrade, "HTTP/1.1 101 X\r\n" + switched + "\r\n");
    const std::string answer = co_await setup.client->rest();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502")) << switched;
    co_await setup.leave();
  }
  Setup read_only(executor, {{"read_only", "on"}});
  read_only.begin();
  co_await read_only.client->send(kUpgrade);
  const std::string answer = co_await read_only.client->rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 403"));
  co_await read_only.leave();
}

}  // namespace
}  // namespace portolan::protocols::http
