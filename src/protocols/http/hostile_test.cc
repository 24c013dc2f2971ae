// What nobody honest sends, from both sides: it is answered, or the connection ends; never does the other side see it.
#include "protocols/http/test_peer.h"

namespace portolan::protocols::http {
namespace {

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: wiki.localhost\r\n\r\n";

std::string request(std::string_view line, std::string_view more, std::string_view body = {}) {
  return std::string(line) + " HTTP/1.1\r\nHost: wiki.localhost\r\n" + std::string(more) + "\r\n" + std::string(body);
}

CO_TEST(HttpHostile, ClientsThatSmuggle) {
  const auto executor = co_await net::this_executor();
  struct Case {
    const char* what;
    std::string bytes;
    const char* status;
  };
  const Case cases[] = {
      {"length and chunked", request("POST /", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
       "400"},
      {"two lengths", request("POST /", "Content-Length: 0\r\nContent-Length: 44\r\n"), "400"},
      {"an unknown encoding", request("POST /", "Transfer-Encoding: chunked, identity\r\n"), "501"},
      {"an encoding by underscore", request("POST /", "Transfer_Encoding: chunked\r\n", "0\r\n\r\n"), "400"},
      {"folding", request("GET /", "X: a\r\n Transfer-Encoding: chunked\r\n"), "400"},
      {"bare LF", "GET / HTTP/1.1\nHost: wiki.localhost\n\n", "400"},
      {"bare CR", request("GET /", "X: a\rContent-Length: 40\r\n"), "400"},
      {"two hosts", request("GET /", "Host: evil\r\n"), "400"},
      {"another absolute form", request("GET http://evil/", ""), "400"},
      {"CONNECT", "CONNECT wiki.localhost:80 HTTP/1.1\r\nHost: wiki.localhost:80\r\n\r\n", "405"},
      {"TRACE", request("TRACE /", ""), "405"},
      {"an upgrade to HTTP/2",
       request("GET /", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"), "400"},
      {"an upgrade of WebSocket 8",
       request("GET /", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"), "400"},
      {"a WebSocket with a body",
       request("GET /",
               "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
               "dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Content-Length: 5\r\n"),
       "400"},
      {"a connection that names the length",
       request("POST /", "Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"), "400"},
      {"an unknown expectation", request("POST /", "Expect: 999-x\r\nContent-Length: 5\r\n"), "417"},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"TLS", "\x16\x03\x01\x02\x00\x01\x00\n\n", "400"},
      {"a long head", request("GET /", "X: " + std::string(kHeadLimit, 'a') + "\r\n"), "431"},
  };
  for (const Case& each : cases) {
    Setup setup(executor);
    setup.begin();
    co_await setup.client->send(each.bytes + kSmuggled);
    const std::string answer = co_await setup.client->rest();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 "s + each.status)) << each.what << ": " << answer.substr(0, 100);
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << each.what;  // one answer, and no further request
    expect_contains(answer, {"Connection: close\r\n"});
    co_await setup.leave();
    EXPECT_EQ(setup.session.dials_, 0) << each.what;
  }
}

CO_TEST(HttpHostile, ABodyThatBreaksItsFramingEndsTheRequest) {
  const auto executor = co_await net::this_executor();
  for (const char* body : {"5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\rhello", "fffffffffffffffff\r\n",
                           "0\r\nX: a\r\n b\r\n\r\n", "-5\r\n"}) {
    Setup setup(executor);
    setup.begin();
    co_await setup.client->send(request("POST /", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"));
    Peer* app = co_await setup.application();
    std::string seen = co_await app->until("abc\r\n");
    co_await setup.client->send(body + kSmuggled);
    const std::string answer = co_await setup.client->rest();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << body << ": " << answer;
    seen = co_await app->rest();
    expect_lacks(seen, {"smuggled", "0\r\n\r\n"});
    EXPECT_TRUE(app->broken()) << body;  // the application must not take it for the end
    co_await setup.leave();
  }
}

CO_TEST(HttpHostile, ARequestThatIsCutIsNotMadeWhole) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  co_await setup.client->send(request("POST /", "Content-Length: 10\r\n", "abc"));
  Peer* app = co_await setup.application();
  std::string seen = co_await app->until("abc");
  setup.client->half_close();
  seen = co_await app->rest();
  EXPECT_TRUE(app->broken());
  co_await setup.leave();
}

CO_TEST(HttpHostile, ApplicationsThatSmuggle) {
  const auto executor = co_await net::this_executor();
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::pair<const char*, std::string> cases[] = {
      {"length and chunked", ok + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"two lengths", ok + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"},
      {"an unknown encoding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
      {"folding", ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
      {"bare CR", ok + "X: a\rSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n"},
      {"no HTTP", "SSH-2.0-x\r\n\r\n"},
      {"a switch unasked",
       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
       "x\r\n\r\n"},
      {"a connection that names cookies",
       ok + "Connection: Set-Cookie\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"},
      {"a bad chunk at once", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"},
      {"a long head", ok + "X: " + std::string(kHeadLimit, 'a') + "\r\n\r\n"},
      {"too many interim answers", [] {
         std::string out;
         for (int i = 0; i < 20; ++i) out += "HTTP/1.1 102 Processing\r\n\r\n";
         return out;
       }()}};
  for (const auto& [what, answer_of_application] : cases) {
    Setup setup(executor);
    setup.begin();
    const std::string seen = co_await setup.exchange(get(), answer_of_application);
    std::string answer = co_await setup.client->rest();
    while (answer.starts_with("HTTP/1.1 102")) answer.erase(0, answer.find("\r\n\r\n") + 4);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502")) << what << ": " << answer.substr(0, 200);
    expect_lacks(answer, {"x=y", "a=b"});
    co_await setup.leave();
    EXPECT_EQ(setup.session.queries_.size(), 1U) << what;
    EXPECT_EQ(setup.outcome->error().hop, Hop::kResource) << what;
  }
}

CO_TEST(HttpHostile, AnAnswerThatBreaksInTheMiddleIsNotMadeWhole) {
  const auto executor = co_await net::this_executor();
  for (const char* more : {"zz\r\n", "3\r\nabcd\r\n0\r\n\r\n", "0\r\n X: a\r\n\r\n", "3\nabc"}) {
    Setup setup(executor);
    setup.begin();
    const std::string seen =
        co_await setup.exchange(get(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    std::string answer = co_await setup.client->until("hello\r\n");
    co_await setup.applications[0]->send(more);
    answer = co_await setup.client->rest();
    expect_lacks(answer, {"0\r\n\r\n"});
    EXPECT_TRUE(setup.client->broken()) << more;
    co_await setup.leave();
    EXPECT_TRUE(setup.session.queries_.back().error) << more;
  }
}

CO_TEST(HttpHostile, AnAnswerOfManySmallPiecesIsCarried) {
  Setup setup(co_await net::this_executor());
  setup.begin();
  std::string answer_of_application = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 3000; ++i) answer_of_application += "1\r\nx\r\n";
  const std::string seen = co_await setup.exchange(get(), answer_of_application + "0\r\n\r\n");
  const std::string answer = co_await setup.client->until("\r\n0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  co_await setup.leave();
  EXPECT_EQ(setup.session.queries_[0].http->bytes_out, 3000U);
}

}  // namespace
}  // namespace portolan::protocols::http
