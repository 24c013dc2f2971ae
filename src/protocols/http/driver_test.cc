#include "net/http/server.h"
#include "protocols/http/test_peer.h"

namespace portolan::protocols::http {
namespace {

CO_TEST(HttpDriver, RequestsOneAfterAnotherOnOneConnection) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  std::string seen = co_await setup.exchange(
      get("/a?b=c", "Origin: http://wiki.localhost:65230\r\nCookie: x=1; pl__Host-y=2\r\nUser-Agent: test/1\r\n"),
      "HTTP/1.1 302 Found\r\nLocation: http://wiki.example/next\r\nSet-Cookie: s=1; Secure; Domain=wiki.example\r\n"
      "Content-Length: 2\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\nok");
  EXPECT_TRUE(seen.starts_with("GET /a?b=c HTTP/1.1\r\nHost: wiki.example\r\n")) << seen;
  expect_contains(seen, {"Origin: http://wiki.example\r\n", "Cookie: x=1; __Host-y=2\r\n"});
  std::string answer = co_await setup.client->until("\r\n\r\nok");
  expect_contains(answer, {"HTTP/1.1 302 Found", "Location: http://wiki.localhost:65230/next\r\n",
                           "Set-Cookie: s=1; Domain=wiki.localhost\r\n", "Content-Length: 2\r\n"});
  expect_lacks(answer, {"Keep-Alive", "Connection"});
  seen = co_await setup.exchange(get("/second"), kOk);
  EXPECT_TRUE(seen.starts_with("GET /second HTTP/1.1\r\n"));
  answer = co_await setup.client->until("\r\n\r\nok");
  co_await setup.leave();
  CO_ASSERT_OK(*setup.outcome);
  EXPECT_EQ(setup.session.dials_, 1);
  EXPECT_EQ(setup.session.client_, "test/1");
  CO_ASSERT_EQ(setup.session.queries_.size(), 2U);
  const auto& http = *setup.session.queries_[0].http;
  EXPECT_EQ(http.path, "/a");
  EXPECT_EQ(http.query, "b=c");
  EXPECT_EQ(http.host, "wiki.example");
  EXPECT_EQ(http.status, 302U);
  EXPECT_EQ(http.bytes_out, 2U);
  EXPECT_EQ(setup.session.from_resource_, 4U);
}

CO_TEST(HttpDriver, AnsweredRequestsMayBePipelined) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send(get("/1") + get("/2"));
  Peer* app = co_await setup.application();
  std::string seen = co_await app->head();
  const std::string early = co_await app->at_once();
  EXPECT_EQ(early, "");  // one at a time
  co_await app->send(kOk);
  seen = co_await app->head();
  EXPECT_TRUE(seen.starts_with("GET /2 "));
  co_await setup.leave();
}

CO_TEST(HttpDriver, BodiesStreamBothWays) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send(
      "POST /up HTTP/1.1\r\nHost: wiki.localhost\r\nTransfer-Encoding: chunked\r\nTE: "
      "trailers\r\n\r\n3;x=y\r\nabc\r\n");
  Peer* app = co_await setup.application();
  std::string seen = co_await app->until("3\r\nabc\r\n");
  expect_contains(seen, {"Transfer-Encoding: chunked\r\n", "TE: trailers\r\n"});
  expect_lacks(seen, {"x=y"});
  co_await setup.client->send("2\r\nde\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
  seen = co_await app->until("\r\n\r\n");
  EXPECT_EQ(seen, "2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n");
  // The head goes before there is anything of the body.
  co_await app->send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string answer = co_await setup.client->head();
  expect_contains(answer, {"Transfer-Encoding: chunked\r\n", "text/event-stream"});
  co_await app->send("6\r\ndata:1\r\n");
  answer = co_await setup.client->until("data:1\r\n");
  EXPECT_EQ(answer, "6\r\ndata:1\r\n");
  co_await app->send("0\r\nX-End: 1\r\n\r\n");
  answer = co_await setup.client->until("\r\n\r\n");
  EXPECT_EQ(answer, "0\r\nX-End: 1\r\n\r\n");
  co_await setup.leave();
  CO_ASSERT_EQ(setup.session.queries_.size(), 1U);
  EXPECT_EQ(setup.session.queries_[0].http->bytes_in, 5U);
  EXPECT_EQ(setup.session.queries_[0].http->bytes_out, 6U);
}

net::Task<> send_body(Peer& peer, std::size_t size) {
  const std::string piece(50'000, 'x');
  for (std::size_t sent = 0; sent < size; sent += piece.size()) co_await peer.send(piece);
}

CO_TEST(HttpDriver, LargeBodiesAreNotKept) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  net::TaskGroup senders(co_await net::this_executor());
  constexpr std::size_t kSize = 5'000'000;
  co_await setup.client->send("PUT /f HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 5000000\r\n\r\n");
  senders.spawn("up", send_body(*setup.client, kSize));
  Peer* app = co_await setup.application();
  std::string seen = co_await app->head();
  expect_contains(seen, {"Content-Length: 5000000\r\n"});
  std::size_t got = 0;
  while (got < kSize) {
    seen = co_await app->until("x");
    CO_ASSERT_TRUE(!seen.empty());
    got += seen.size();
    seen = co_await app->at_once();
    got += seen.size();
  }
  EXPECT_EQ(got, kSize);
  co_await app->send("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
  senders.spawn("down", send_body(*app, kSize));
  std::string answer = co_await setup.client->head();
  got = 0;
  while (got < kSize) {
    answer = co_await setup.client->until("x");
    CO_ASSERT_TRUE(!answer.empty());
    got += answer.size();
    answer = co_await setup.client->at_once();
    got += answer.size();
  }
  EXPECT_EQ(got, kSize);
  co_await senders.join();
  co_await setup.leave();
  EXPECT_EQ(setup.session.to_resource_, kSize);
  EXPECT_EQ(setup.session.from_resource_, kSize);
}

CO_TEST(HttpDriver, LeaveToSendABodyComesFromTheApplication) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send(
      "POST / HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  Peer* app = co_await setup.application();
  std::string seen = co_await app->head();
  expect_contains(seen, {"Expect: 100-continue\r\n", "Content-Length: 3\r\n"});
  co_await app->send("HTTP/1.1 100 Continue\r\n\r\n");
  std::string answer = co_await setup.client->head();
  EXPECT_EQ(answer, "HTTP/1.1 100 Continue\r\n\r\n");
  co_await setup.client->send("abc");
  seen = co_await app->until("abc");
  EXPECT_EQ(seen, "abc");
  co_await app->send("HTTP/1.1 103 Early Hints\r\nLink: <http://wiki.example/x>\r\n\r\n" + kOk);
  answer = co_await setup.client->until("ok");
  expect_contains(answer, {"103 Early Hints", "<http://wiki.localhost/x>", "200 OK"});
  expect_lacks(answer, {"Connection: close"});
  co_await setup.leave();
}

CO_TEST(HttpDriver, AnAnswerBeforeTheEndOfTheRequestEndsTheConnection) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send("POST / HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 100\r\n\r\nabc");
  Peer* app = co_await setup.application();
  std::string seen = co_await app->until("abc");
  co_await app->send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  std::string answer = co_await setup.client->head();
  expect_contains(answer, {"413", "Connection: close\r\n"});
  // What follows is the rest of a body, never a request.
  co_await setup.client->send(get("/smuggled"));
  setup.client->half_close();
  co_await setup.group.join();
  EXPECT_EQ(setup.applications.size(), 1U);
  seen = co_await app->rest();
  expect_lacks(seen, {"smuggled"});
}

CO_TEST(HttpDriver, AnswersWithoutABody) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  const std::pair<std::string, std::string> cases[] = {
      {"HEAD / HTTP/1.1\r\nHost: wiki.localhost\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
      {get(), "HTTP/1.1 204 No Content\r\n\r\n"},
      {get(), "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n"}};
  for (const auto& [request, expected] : cases) {
    const std::string seen = co_await setup.exchange(request, expected);
    const std::string answer = co_await setup.client->head();
    EXPECT_EQ(answer.substr(0, 12), expected.substr(0, 12));
    EXPECT_EQ(answer.contains("Content-Length: 5"), expected.contains("Content-Length"));
  }
  EXPECT_EQ(setup.session.dials_, 1);
  co_await setup.leave();
}

CO_TEST(HttpDriver, AnAnswerThatEndsWithItsConnection) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  std::string seen = co_await setup.exchange(get(), "HTTP/1.0 200 OK\r\n\r\nhello");
  std::string answer = co_await setup.client->until("hello");
  expect_contains(answer, {"HTTP/1.1 200", "Transfer-Encoding: chunked\r\n", "5\r\nhello"});
  setup.applications[0]->disconnect();
  answer = co_await setup.client->rest();
  // Memory breaks where TCP would end: then the client must not take what came for all of it.
  expect_lacks(answer, {"0\r\n\r\n"});
  co_await setup.group.join();
  EXPECT_FALSE(*setup.outcome);

  Setup ends(co_await net::this_executor());
  ends.begin();
  seen = co_await ends.exchange(get(), "HTTP/1.0 200 OK\r\n\r\nhello");
  ends.applications[0]->half_close();
  answer = co_await ends.client->until("0\r\n\r\n");
  expect_contains(answer, {"5\r\nhello\r\n0\r\n\r\n"});
  seen = co_await ends.exchange(get("/next"), kOk, 1);  // on a new connection
  EXPECT_TRUE(seen.starts_with("GET /next"));
  co_await ends.leave();
}

CO_TEST(HttpDriver, AnOldClientGetsWhatItUnderstands) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  const std::string seen =
      co_await setup.exchange("GET / HTTP/1.0\r\nHost: wiki.localhost\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  EXPECT_TRUE(seen.starts_with("GET / HTTP/1.1\r\n"));
  const std::string answer = co_await setup.client->rest();
  expect_lacks(answer, {"Transfer-Encoding"});
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello"));
  co_await setup.leave();
}

CO_TEST(HttpDriver, AConnectionThatDiedWhileItWaitedIsReplaced) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  std::string seen = co_await setup.exchange(get("/1"), kOk);
  std::string answer = co_await setup.client->until("ok");
  setup.applications[0]->disconnect();
  seen = co_await setup.exchange(get("/2"), kOk, 1);
  EXPECT_TRUE(seen.starts_with("GET /2"));
  answer = co_await setup.client->until("ok");
  // It goes as the request comes: what may be repeated is.
  co_await setup.client->send(get("/3"));
  seen = co_await setup.applications[1]->head();
  EXPECT_TRUE(seen.starts_with("GET /3"));
  setup.applications[1]->half_close();
  Peer* third = co_await setup.application(2);
  CO_ASSERT_TRUE(third != nullptr);
  seen = co_await third->head();
  EXPECT_TRUE(seen.starts_with("GET /3"));
  co_await third->send(kOk);
  answer = co_await setup.client->until("ok");
  // A POST is not.
  co_await setup.client->send("POST /4 HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 0\r\n\r\n");
  seen = co_await third->head();
  third->half_close();
  answer = co_await setup.client->head();
  expect_contains(answer, {"502"});
  EXPECT_EQ(setup.session.dials_, 3);
  setup.client->disconnect();
  co_await setup.group.join();
}

CO_TEST(HttpDriver, WhatComesUnaskedIsNoAnswer) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  std::string seen = co_await setup.exchange(get("/1"), kOk + "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned");
  std::string answer = co_await setup.client->until("ok");
  seen = co_await setup.exchange(get("/2"), kOk, 1);
  EXPECT_TRUE(seen.starts_with("GET /2"));
  answer = co_await setup.client->until("ok");
  expect_lacks(answer, {"poisoned"});
  co_await setup.leave();
}

CO_TEST(HttpDriver, WhoeverCannotBeReachedIsExplained) {
  Setup setup(co_await net::this_executor());
  setup.refuses = true;
  setup.begin();
  co_await setup.client->send(get("/", "Accept: text/html\r\n"));
  setup.client->half_close();
  const std::string answer = co_await setup.client->rest();
  expect_contains(answer, {"HTTP/1.1 502", "text/html", "connection refused", "connection_refused", "trace-test",
                           "Connection: close"});
  co_await setup.group.join();
  EXPECT_FALSE(*setup.outcome);
  CO_ASSERT_EQ(setup.session.queries_.size(), 1U);
  EXPECT_EQ(setup.session.queries_[0].http->status, 502U);
  EXPECT_EQ(setup.session.queries_[0].error_code, "connection_refused");
}

CO_TEST(HttpDriver, AnApplicationThatDoesNotAnswer) {
  Setup setup(co_await net::this_executor(), {{"answer_timeout", "1s"}});
  setup.begin();
  co_await setup.client->send(get());
  const std::string answer = co_await setup.client->head();
  expect_contains(answer, {"HTTP/1.1 504"});
  setup.client->disconnect();
  co_await setup.group.join();
  EXPECT_EQ(setup.session.queries_.size(), 1U);
}

CO_TEST(HttpDriver, NobodyIsLetInWhileTheCredentialIsRefused) {
  Setup setup(co_await net::this_executor(), {{"auth", "basic"}});
  setup.session.granted_.username = "app";
  setup.session.granted_.password = Secret("wrong");
  setup.begin();
  std::string seen = co_await setup.exchange(get(), "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  std::string answer = co_await setup.client->head();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 401")) << answer;
  EXPECT_EQ(setup.session.let_in_, 0);
  seen = co_await setup.exchange(get(), kOk);
  answer = co_await setup.client->until("ok");
  EXPECT_EQ(setup.session.let_in_, 1);
  co_await setup.leave();
}

CO_TEST(HttpDriver, WhatTheResourceDoesNotAllow) {
  const auto executor = co_await net::this_executor();
  const std::tuple<Settings, std::string, std::string> cases[] = {
      {{{"read_only", "on"}}, "POST / HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403"},
      {{{"methods", "GET"}}, "DELETE / HTTP/1.1\r\nHost: wiki.localhost\r\n\r\n", "HTTP/1.1 405"},
      {{{"paths", "/public/*"}}, get("/private"), "HTTP/1.1 403"},
      {{{"paths", "/public/*"}}, get("/public/..%2fprivate"), "HTTP/1.1 400"},
      {{}, "GET / HTTP/1.1\r\nHost: other.localhost\r\n\r\n", "HTTP/1.1 421"},
      {{}, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421"}};
  for (const auto& [settings, request, status] : cases) {
    Setup setup(executor, settings);
    setup.begin();
    co_await setup.client->send(request);
    const std::string answer = co_await setup.client->head();
    EXPECT_TRUE(answer.starts_with(status)) << answer;
    setup.client->disconnect();
    co_await setup.group.join();
    EXPECT_EQ(setup.session.dials_, 0);
    CO_ASSERT_OK(*setup.outcome);
    CO_ASSERT_EQ(setup.session.queries_.size(), 1U);
    EXPECT_TRUE(setup.session.queries_[0].error_code);
  }
}

CO_TEST(HttpDriver, ClientsCannotSayWhoTheyAre) {
  Setup setup(co_await net::this_executor(), {{"headers", "X-Remote-User: {email}"}, {"auth", "bearer"}});
  setup.session.granted_.password = Secret("token-1");
  setup.begin();
  const std::string seen = co_await setup.exchange(
      get("/",
          "X-Remote-User: root\r\nX_Remote_User: root\r\nAuthorization: Basic cm9vdA==\r\nX-Forwarded-For: 1.2.3.4\r\n"
          "Connection: X-Remote-User\r\n"),
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 2\r\n\r\nok");
  expect_contains(seen, {"X-Remote-User: ann@example.com\r\n", "Authorization: Bearer token-1\r\n"});
  expect_lacks(seen, {"root", "cm9v", "1.2.3.4"});
  const std::string answer = co_await setup.client->until("ok");
  expect_lacks(answer, {"WWW-Authenticate", "token-1"});
  co_await setup.leave();
}

CO_TEST(HttpDriver, LinksAreRewrittenWhereTheResourceAsks) {
  Setup setup(co_await net::this_executor(), {{"rewrite_links", "html"}});
  setup.begin();
  const std::string body = "<a href=\"http://wiki.example/x\">http://wiki.example";
  const auto answer_of = [&](std::string_view head) {
    return "HTTP/1.1 " + std::string(head) + "ETag: \"1\"\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  };
  std::string seen = co_await setup.exchange(get("/", "Accept-Encoding: gzip\r\n"),
                                             answer_of("200 OK\r\nContent-Type: text/html\r\n"));
  expect_contains(seen, {"Accept-Encoding: identity\r\n"});
  std::string answer = co_await setup.client->until("0\r\n\r\n");
  expect_contains(answer,
                  {"<a href=\"http://wiki.localhost:65230/x\">http://wiki.localhost:65230\r\n", "ETag: W/\"1\""});
  expect_lacks(answer, {"Content-Length"});
  for (const char* head :
       {"200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n",
        "206 Partial Content\r\nContent-Type: text/html\r\n", "200 OK\r\nContent-Type: text/plain\r\n"}) {
    seen = co_await setup.exchange(get(), answer_of(head));
    answer = co_await setup.client->until(body);
    expect_contains(answer, {"Content-Length: ", "ETag: \"1\""});
  }
  co_await setup.leave();
}

CO_TEST(HttpDriver, AliasesAreReachedWhereTheyAre) {
  Setup setup(co_await net::this_executor(), {{"aliases", "api=api.example:8080, cdn=cdn.example"}});
  setup.session.granted_.hosts.push_back({"api.example", 8080});
  std::vector<std::size_t> dialled;
  setup.session.dial_ = [&dialled, dial = setup.session.dial_](std::size_t address) {
    dialled.push_back(address);
    return dial(address);
  };
  setup.begin();
  std::string seen = co_await setup.exchange("GET / HTTP/1.1\r\nHost: api.wiki.localhost:65230\r\n\r\n", kOk);
  expect_contains(seen, {"Host: api.example:8080\r\n"});
  std::string answer = co_await setup.client->until("ok");
  seen = co_await setup.exchange("GET / HTTP/1.1\r\nHost: cdn.wiki.localhost:65230\r\n\r\n", kOk, 1);
  expect_contains(seen, {"Host: cdn.example\r\n"});
  answer = co_await setup.client->until("ok");
  EXPECT_EQ(dialled, (std::vector<std::size_t>{1, 0}));
  co_await setup.leave();
}

net::Task<net::http::Response> tell(net::http::Call call) {
  net::http::Response response{200, {{"x-host", std::string(call.request.header("host"))}}, call.request.method};
  if (call.request.method == "POST") response.body += call.request.body;
  response.headers["x-user"] = std::string(call.request.header("x-remote-user"));
  co_return response;
}

CO_TEST(HttpDriver, ApplicationsThatSpeakHttp2) {
  const auto executor = co_await net::this_executor();
  net::http::Router router;
  router.add("GET", "/a", tell);
  router.add("POST", "/a", tell);
  const net::http::ServerOptions options;
  net::TaskGroup servers(executor);
  Setup setup(executor, {{"http_version", "2"}, {"headers", "X-Remote-User: {email}"}});
  setup.session.dial_ = [&](std::size_t) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
    auto [ours, theirs] = net::memory_pair(executor);
    net::http::Connection connection{"10.0.0.1"};
    connection.alpn = "h2";
    servers.spawn("server", net::http::serve_connection(std::move(theirs), std::move(connection), router, options));
    co_return std::move(ours);
  };
  setup.begin();
  co_await setup.client->send(get("/a", "X-Remote-User: root\r\nKeep-Alive: 5\r\n"));
  std::string answer = co_await setup.client->until("\r\n\r\nGET");
  expect_contains(answer, {"HTTP/1.1 200 OK\r\n", "x-host: wiki.example\r\n", "x-user: ann@example.com\r\n",
                           "Content-Length: 3\r\n"});
  co_await setup.client->send(
      "POST /a HTTP/1.1\r\nHost: wiki.localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  answer = co_await setup.client->head();
  EXPECT_EQ(answer, "HTTP/1.1 100 Continue\r\n\r\n");
  co_await setup.client->send("5\r\nhello\r\n0\r\n\r\n");
  answer = co_await setup.client->until("POSThello");
  expect_contains(answer, {"HTTP/1.1 200 OK\r\n"});
  EXPECT_EQ(setup.session.dials_, 1);
  co_await setup.leave();
  co_await servers.join();
  EXPECT_EQ(setup.session.queries_.size(), 2U);
}

CO_TEST(HttpDriver, WhenItMustEndTheClientHearsWhy) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send(get());
  Peer* app = co_await setup.application();
  std::string seen = co_await app->head();
  setup.session.stop_.stop({Code::kDenied, "access was taken away", "lease_ended", Hop::kEgress});
  const std::string answer = co_await setup.client->head();
  expect_contains(answer, {"HTTP/1.1 403"});
  seen = co_await app->rest();  // its connection has gone
  setup.client->disconnect();
  co_await setup.group.join();
  EXPECT_EQ(setup.outcome->error().reason, "lease_ended");
  CO_ASSERT_EQ(setup.session.queries_.size(), 1U);
  EXPECT_EQ(setup.session.queries_[0].error_code, "lease_ended");

  // In the middle of an answer nothing can be said.
  Setup middle(co_await net::this_executor());
  middle.begin();
  seen = co_await middle.exchange(get(), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
  std::string part = co_await middle.client->until("hello");
  middle.session.stop_.stop({Code::kDenied, "access was taken away", "lease_ended", Hop::kEgress});
  part = co_await middle.client->rest();
  EXPECT_EQ(part, "");
  EXPECT_TRUE(middle.client->broken());
  co_await middle.group.join();
}

CO_TEST(HttpDriver, WhoHasGoneIsNotServedAnyLonger) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send(get());
  Peer* app = co_await setup.application();
  std::string seen = co_await app->head();
  setup.client->disconnect();
  seen = co_await app->rest();
  co_await setup.group.join();
  CO_ASSERT_OK(*setup.outcome);
  CO_ASSERT_EQ(setup.session.queries_.size(), 1U);
  EXPECT_EQ(setup.session.queries_[0].error_code, "client_gone");
}

CO_TEST(HttpDriver, WhatCannotBePutOnRecordIsNotAnswered) {
  Setup setup(co_await net::this_executor());
  setup.session.record_fails_ = Error{Code::kIo, "disk full", {}, Hop::kEgress};
  setup.begin();
  const std::string seen = co_await setup.exchange(get(), kOk);
  const std::string answer = co_await setup.client->until("}\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503")) << answer;
  expect_contains(answer, {"not_on_record"});
  setup.client->disconnect();
  co_await setup.group.join();
  EXPECT_FALSE(*setup.outcome);
}

CO_TEST(HttpDriver, UnderStrictAuditNothingGoesBeforeItsRecordIsKept) {
  Setup setup(co_await net::this_executor());
  setup.session.mode_ = audit::Mode::kStrict;
  setup.begin();
  const std::string seen = co_await setup.exchange(get(), kOk);
  std::string answer = co_await setup.client->at_once();
  EXPECT_EQ(answer, "");
  CO_ASSERT_TRUE(!setup.session.queries_.empty());
  EXPECT_EQ(setup.session.queries_[0].stage, audit::Query::Stage::kUnderWay);
  setup.session.keep();
  for (int turn = 0; turn < 100 && setup.session.waiters_.empty(); ++turn) co_await net::yield_to_loop();
  setup.session.keep();
  answer = co_await setup.client->until("ok");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  co_await setup.leave();
  EXPECT_EQ(setup.session.queries_.back().stage, audit::Query::Stage::kOver);
}

CO_TEST(HttpDriver, RealNamesStayAsTheyAre) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  const std::string seen = co_await setup.exchange(
      "GET http://wiki.example/a HTTP/1.1\r\nHost: wiki.example\r\nReferer: http://wiki.example/\r\n\r\n",
      "HTTP/1.1 302 Found\r\nLocation: http://wiki.example/b\r\nSet-Cookie: a=b; Secure\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(seen.starts_with("GET /a HTTP/1.1\r\nHost: wiki.example\r\n"));
  const std::string answer = co_await setup.client->head();
  expect_contains(answer, {"Location: http://wiki.example/b\r\n", "Set-Cookie: a=b; Secure\r\n"});
  co_await setup.leave();
}

CO_TEST(HttpDriver, SettingsThatAreNotUnderstoodAreExplained) {
  Setup setup(co_await net::this_executor(), {{"auth", "magic"}});
  setup.begin();
  co_await setup.client->send(get());
  const std::string answer = co_await setup.client->head();
  expect_contains(answer, {"HTTP/1.1 500"});
  setup.client->disconnect();
  co_await setup.group.join();
}

CO_TEST(HttpDriver, TurnsAwayAndLooksOn) {
  const auto executor = co_await net::this_executor();
  auto [ours, theirs] = net::memory_pair(executor);
  Peer client(std::move(ours));
  net::TaskGroup group(executor);
  group.spawn("refuse",
              refuse(std::move(theirs), {Code::kDenied, "no grant", "no_grant", Hop::kControlPlane}, "t-1", 1s));
  co_await client.send(get("/", "Accept: text/html\r\n"));
  client.half_close();
  std::string page = co_await client.rest();
  expect_contains(page, {"HTTP/1.1 403", "no grant", "t-1"});
  co_await group.join();

  auto [a, b] = net::memory_pair(executor);
  Peer browser(std::move(a));
  const auto onlooker = look_on(as_bytes("GET / HTTP/1.1"));
  co_await onlooker->say_why(*b, {Code::kIo, "the way has broken", {}, Hop::kGateway}, "t-2", 1s);
  page = co_await browser.until("</html>");
  expect_contains(page, {"HTTP/1.1 502", "t-2"});
  onlooker->passed(as_bytes("HTTP/1.1 200 OK\r\n"));
  co_await onlooker->say_why(*b, {Code::kIo, "the way has broken", {}, Hop::kGateway}, "t-2", 1s);
  page = co_await browser.at_once();
  EXPECT_EQ(page, "\n");
}

net::Task<> probe_and_note(Target target, Dial dial, std::optional<Result<>>& outcome) {
  outcome = co_await probe(std::move(target), std::move(dial), 1s);
}

CO_TEST(HttpProbe, AsksAsTheSessionsWould) {
  const auto executor = co_await net::this_executor();
  const std::tuple<Settings, const char*, const char*> cases[] = {
      {{}, "200 OK", "ok"},
      {{}, "404 Not Found", "ok"},
      {{}, "401 Unauthorized", "ok"},
      {{{"auth", "basic"}}, "401 Unauthorized", "bad_credential"},
      {{}, "503 Service Unavailable", "starting"},
      {{}, "500 Oops", "unavailable"},
      {{{"health_status", "204"}}, "200 OK", "unavailable"},
      {{}, "101 Switching", "bad_message"}};
  for (const auto& [settings, status, expected] : cases) {
    auto [ours, theirs] = net::memory_pair(executor);
    Peer app(std::move(ours));
    auto kept = std::make_shared<std::unique_ptr<net::Stream>>(std::move(theirs));
    const Dial dial = [kept](std::size_t) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
      co_return std::move(*kept);
    };
    Settings with = settings;
    with["health_path"] = "/healthz";
    with["headers"] = "X-Remote-User: {email}";
    std::optional<Result<>> outcome;
    net::TaskGroup group(executor);
    group.spawn("probe",
                probe_and_note({"wiki", {{"wiki.example", 80}}, with, "app", Secret("pw"), {}}, dial, outcome));
    const std::string seen = co_await app.head();
    expect_contains(seen, {"GET /healthz HTTP/1.1\r\nHost: wiki.example\r\n", "portolan-health"});
    expect_lacks(seen, {"X-Remote-User"});
    co_await app.send("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\n\r\n");
    co_await group.join();
    EXPECT_EQ(*outcome ? "ok" : std::string(outcome->error().stable_code()), expected) << status;
  }
}

}  // namespace
}  // namespace portolan::protocols::http
