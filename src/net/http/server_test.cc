#include "net/http/server.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "net/co_test.h"
#include "net/http/test_peer.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using testing::count;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Served;
using ::testing::StartsWith;

Response text(std::string body) { return {200, {{"content-type", "text/plain"}}, std::move(body)}; }

Task<Response> echo(Call call) {
  std::string body = call.request.method + " " + call.request.path;
  for (const auto& argument : call.path_arguments) body += " {" + argument + "}";
  for (const auto& [name, value] : call.request.query) body += " " + name + "=" + value;
  if (!call.request.body.empty()) body += " [" + call.request.body + "]";
  co_return text(body + " from " + call.connection->peer);
}

Task<Response> slow(Call) {
  for (int i = 0; i < 5; ++i) co_await yield_to_loop();
  co_return text("slow");
}

Task<Response> throwing(Call) {
  co_await yield_to_loop();
  throw std::runtime_error("the password is swordfish");
}

Task<Response> injecting(Call) { co_return Response{200, {{"x-a", "b\r\nSet-Cookie: c"}}, "x"}; }
Task<Response> nothing(Call) { co_return Response{0, {}, {}}; }
Task<Response> closing(Call) { co_return Response{200, {{"connection", "close"}}, "bye"}; }
Task<Response> empty(Call) { co_return Response{204, {}, {}}; }
Task<Response> large(Call) { co_return text(std::string(1'000'000, 'x')); }

const Router& routes() {
  static const Router router = [] {
    Router made;
    made.add("GET", "/echo/{what}", echo);
    made.add("POST", "/echo/{what}", echo);
    made.add("GET", "/slow", slow);
    made.add("GET", "/throw", throwing);
    made.add("GET", "/inject", injecting);
    made.add("GET", "/nothing", nothing);
    made.add("GET", "/close", closing);
    made.add("GET", "/empty", empty);
    made.add("GET", "/large", large);
    return made;
  }();
  return router;
}

// One connection that says `bytes` and half-closes; what it got.
Task<std::string> talk(std::string bytes, ServerOptions options = {}, Connection connection = {"10.0.0.1"}) {
  Served served(co_await net::this_executor(), routes(), options, std::move(connection));
  std::string all = co_await served.talk(std::move(bytes));
  co_await served.group.join();
  co_return all;
}

CO_TEST(HttpServer, AnswersARequest) {
  const std::string all = co_await talk("GET /echo/a%20b?x=1&y=%20 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(all, HasSubstr("\r\n\r\nGET /echo/a b {a b} x=1 y=  from 10.0.0.1"));
}

CO_TEST(HttpServer, KeepsTheConnection) {
  Served served(co_await net::this_executor(), routes(), ServerOptions{});
  for (int i = 0; i < 3; ++i) {
    const auto answer = co_await served.ask("POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    CO_ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->body, "POST /echo/x {x} [abc] from ");
  }
  co_await served.leave();
}

CO_TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const std::string all = co_await talk(
      "GET /slow HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo/1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n1\r\nc\r\n0\r\n\r\nGET /missing HTTP/1.1\r\nHost: h\r\n\r\nGET /echo/2 HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto first = all.find("slow"), second = all.find("{1} [abc]"), third = all.find("not_found"),
             fourth = all.find("{2}");
  EXPECT_NE(fourth, std::string::npos) << all;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_LT(third, fourth);
}

CO_TEST(HttpServer, AnswersHeadWithoutABody) {
  const std::string all =
      co_await talk("HEAD /slow HTTP/1.1\r\nHost: h\r\n\r\nHEAD /missing HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(all, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(all, HasSubstr("HTTP/1.1 404"));
  EXPECT_THAT(all, Not(HasSubstr("\r\n\r\nslow")));
  EXPECT_THAT(all, Not(HasSubstr("about:blank")));
}

CO_TEST(HttpServer, EmptyAnswersHaveNoLength) {
  const std::string all = co_await talk("GET /empty HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(all, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(all, Not(HasSubstr("Content-Length")));
}

CO_TEST(HttpServer, UnknownPathsAndMethodsAreProblems) {
  const std::string missing = co_await talk("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(missing, HasSubstr("content-type: application/problem+json\r\n"));
  EXPECT_THAT(missing, HasSubstr(R"("code":"not_found")"));
  const std::string wrong =
      co_await talk("DELETE /echo/x HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wrong, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_THAT(wrong, HasSubstr("llow: GET, POST, HEAD\r\n"));
  EXPECT_THAT(wrong, HasSubstr("slow"));
}

CO_TEST(HttpServer, AnswersOnlyForItsHosts) {
  ServerOptions options;
  options.hosts = {"localhost", "[::1]"};
  const auto status = [&](std::string head) { return talk("GET /slow HTTP/1.1\r\n" + head + "\r\n", options); };
  const std::string good = co_await status("Host: LOCALHOST:8080\r\n");
  EXPECT_THAT(good, StartsWith("HTTP/1.1 200"));
  const std::string six = co_await status("Host: [::1]:80\r\n");
  EXPECT_THAT(six, StartsWith("HTTP/1.1 200"));
  for (std::string host : {"evil.example", "localhost.evil.example", "127.0.0.1", "localhost."}) {
    const std::string rebound = co_await status("Host: " + host + "\r\n");
    EXPECT_THAT(rebound, StartsWith("HTTP/1.1 421 Misdirected Request")) << host;
    EXPECT_THAT(rebound, Not(HasSubstr("slow")));
  }
  for (std::string head :
       {"", "Host:\r\n", "Host: localhost\r\nHost: localhost\r\n", "Host: localhost, evil\r\n", "Host: a/b\r\n"}) {
    const std::string bad = co_await status(head);
    EXPECT_THAT(bad, StartsWith("HTTP/1.1 400")) << head;
  }
  const std::string old = co_await talk("GET /slow HTTP/1.0\r\n\r\n", options);
  EXPECT_THAT(old, StartsWith("HTTP/1.1 421"));
}

CO_TEST(HttpServer, HostMustBeTheServerName) {
  const Connection connection{.peer = "p", .server_name = "App.example"};
  const std::string same = co_await talk("GET /slow HTTP/1.1\r\nHost: app.EXAMPLE:443\r\n\r\n", {}, connection);
  EXPECT_THAT(same, StartsWith("HTTP/1.1 200"));
  const std::string other = co_await talk(
      "GET /slow HTTP/1.1\r\nHost: internal.example\r\n\r\nGET /slow HTTP/1.1\r\nHost: app.example\r\n\r\n", {},
      connection);
  EXPECT_THAT(other, StartsWith("HTTP/1.1 421"));
  EXPECT_EQ(count(other, "HTTP/1.1"), 1u);
}

CO_TEST(HttpServer, AbsoluteFormMustFitTheHost) {
  const std::string same = co_await talk("GET http://h:1/slow HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(same, StartsWith("HTTP/1.1 200"));
  const std::string other = co_await talk("GET http://i/slow HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(other, StartsWith("HTTP/1.1 400"));
}

CO_TEST(HttpServer, Http10IsAnsweredOnce) {
  const std::string all =
      co_await talk("GET /slow HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /slow HTTP/1.0\r\n\r\n");
  EXPECT_EQ(count(all, "HTTP/1.1 200"), 1u);
  EXPECT_THAT(all, HasSubstr("Connection: close"));
}

CO_TEST(HttpServer, ClosesWhereOneSideSaysSo) {
  const std::string next = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string client = co_await talk("GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + next);
  EXPECT_EQ(count(client, "HTTP/1.1 200"), 1u);
  const std::string server = co_await talk("GET /close HTTP/1.1\r\nHost: h\r\n\r\n" + next);
  EXPECT_EQ(count(server, "HTTP/1.1 200"), 1u);
  EXPECT_THAT(server, HasSubstr("Connection: close"));
}

CO_TEST(HttpServer, WhatIsAmbiguousEndsTheConnection) {
  const std::string next = "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n";
  for (std::string lines :
       {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0, 0\r\n", "Content-Length: +0\r\n", "X: a\r\n b\r\n", "X: a\rb\r\n", "X: a\n"}) {
    const std::string all = co_await talk("POST /echo/x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n" + next);
    EXPECT_THAT(all, StartsWith("HTTP/1.1 400")) << lines;
    EXPECT_THAT(all, HasSubstr("Connection: close"));
    EXPECT_EQ(count(all, "HTTP/1.1"), 1u) << lines;
  }
  const std::string chunk =
      co_await talk("POST /echo/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + next);
  EXPECT_THAT(chunk, StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(count(chunk, "HTTP/1.1"), 1u);
}

CO_TEST(HttpServer, RefusesPathsThatHide) {
  for (std::string target : {"/echo/%00", "/echo/../slow", "/echo/%2e%2e/slow", "/echo/%zz", "/echo/a%2fb",
                             "/echo/x?a=1&a=2", "*", "/echo/\xff"}) {
    const std::string all = co_await talk("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(all, StartsWith("HTTP/1.1 400")) << target;
    EXPECT_THAT(all, HasSubstr(R"("code":"bad_)")) << target;
  }
}

CO_TEST(HttpServer, RefusesALargeBodyWithoutReadingIt) {
  const ServerOptions options{.limits = {.body_bytes = 1000}};
  const Executor executor = co_await net::this_executor();
  for (std::string head : {"Content-Length: 10000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n989680\r\n"}) {
    Served served(executor, routes(), options, {}, 4096);
    TaskGroup writer(executor);
    bool refused = false;
    const auto send = [](Stream& stream, std::string bytes, bool& failed) -> Task<> {
      const auto written = co_await write(stream, as_bytes(bytes));
      failed = !written;
    };
    writer.spawn("writer", send(*served.client,
                                "POST /echo/x HTTP/1.1\r\nHost: h\r\n" + head + std::string(10'000'000, 'x'), refused));
    const std::string all = co_await testing::read_all(*served.client);
    EXPECT_THAT(all, StartsWith("HTTP/1.1 413")) << head;
    EXPECT_THAT(all, HasSubstr("Connection: close"));
    co_await served.group.join();
    co_await writer.join();
    EXPECT_TRUE(refused);
  }
}

// Who may send more is known by the head alone: a client that waits for leave gets its answer instead.
CO_TEST(HttpServer, TheBodysLimitDependsOnTheRequest) {
  ServerOptions options{.limits = {.body_bytes = 1000}};
  options.body_limit = [](const Request& head, const Connection& connection) -> std::size_t {
    EXPECT_TRUE(head.body.empty());
    const bool trusted = head.path == "/echo/large" && head.header("x-key") == "k" && connection.peer == "10.0.0.1";
    return trusted ? 200'000 : 1000;
  };
  const std::string body(150'000, 'x');
  const std::string length = "Content-Length: 150000\r\n\r\n" + body;
  const std::string chunk = "Transfer-Encoding: chunked\r\n\r\n249f0\r\n" + body + "\r\n0\r\n\r\n";
  for (const std::string& rest : {length, chunk}) {
    const std::string trusted = co_await talk("POST /echo/large HTTP/1.1\r\nHost: h\r\nX-Key: k\r\n" + rest, options);
    EXPECT_THAT(trusted, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(trusted, HasSubstr(body + "] from"));
    for (std::string head :
         {"POST /echo/large HTTP/1.1\r\nHost: h\r\n", "POST /echo/x HTTP/1.1\r\nHost: h\r\nX-Key: k\r\n"}) {
      const std::string other = co_await talk(head + rest, options);
      EXPECT_THAT(other, StartsWith("HTTP/1.1 413"));
    }
  }
  const std::string waits = co_await talk(
      "POST /echo/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 150000\r\n\r\n", options);
  EXPECT_THAT(waits, StartsWith("HTTP/1.1 413"));
}

// Chunk by chunk, each of them small.
CO_TEST(HttpServer, ABodyThatGrowsIsRefusedAsSoonAsItIsTooLarge) {
  std::string bytes = "POST /echo/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) bytes += "64\r\n" + std::string(100, 'x') + "\r\n";
  const std::string all = co_await talk(bytes, ServerOptions{.limits = {.body_bytes = 1000}});
  EXPECT_THAT(all, StartsWith("HTTP/1.1 413"));
}

CO_TEST(HttpServer, RefusesLargeHeaders) {
  const ServerOptions options{.limits = {.header_bytes = 1000, .header_count = 10}};
  std::string many = "GET /slow HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 20; ++i) many += "X: y\r\n";
  const std::string too_many = co_await talk(many + "\r\n", options);
  EXPECT_THAT(too_many, StartsWith("HTTP/1.1 431"));
  const std::string too_long = co_await talk("GET /slow HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'y'), options);
  EXPECT_THAT(too_long, StartsWith("HTTP/1.1 431"));
  const std::string line = co_await talk("GET /" + std::string(2000, 'y'), options);
  EXPECT_THAT(line, StartsWith("HTTP/1.1 431"));
}

CO_TEST(HttpServer, WaitsForAHeaderOnlySoLong) {
  const Executor executor = co_await net::this_executor();
  const ServerOptions options{.header_timeout = 30ms, .body_timeout = 30ms, .idle_timeout = 30ms};
  Served silent(executor, routes(), options);
  const std::string none = co_await testing::read_all(*silent.client);
  EXPECT_EQ(none, "");
  Served half(executor, routes(), options);
  co_await testing::write_text(*half.client, "GET /slow HTTP/1.1\r\nHo");
  const std::string timed_out = co_await testing::read_all(*half.client);
  EXPECT_THAT(timed_out, StartsWith("HTTP/1.1 408"));
  Served idle(executor, routes(), options);
  co_await testing::write_text(*idle.client, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string once = co_await testing::read_all(*idle.client);
  EXPECT_THAT(once, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(count(once, "HTTP/1.1"), 1u);
  Served body(executor, routes(), options);
  co_await testing::write_text(*body.client, "POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
  const std::string half_body = co_await testing::read_all(*body.client);
  EXPECT_THAT(half_body, StartsWith("HTTP/1.1 408"));
  co_await silent.leave();
  co_await half.leave();
  co_await idle.leave();
  co_await body.leave();
}

CO_TEST(HttpServer, FailingHandlersTellNothing) {
  for (std::string path : {"/throw", "/inject", "/nothing"}) {
    const std::string all =
        co_await talk("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_THAT(all, StartsWith("HTTP/1.1 500 Internal Server Error")) << path;
    EXPECT_THAT(all, HasSubstr(R"("code":"internal")")) << path;
    EXPECT_THAT(all, Not(HasSubstr("swordfish")));
    EXPECT_THAT(all, Not(HasSubstr("Cookie")));
    EXPECT_THAT(all, HasSubstr("\r\n\r\nslow")) << "the connection goes on";
  }
}

CO_TEST(HttpServer, SaysContinueToThoseWhoWait) {
  Served served(co_await net::this_executor(), routes(), ServerOptions{});
  const auto interim =
      co_await served.ask("POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CO_ASSERT_TRUE(interim.has_value());
  EXPECT_EQ(interim->status, 100);
  const auto answer = co_await served.ask("abc");
  CO_ASSERT_TRUE(answer.has_value());
  EXPECT_THAT(answer->body, HasSubstr("[abc]"));
  co_await served.leave();
  const std::string unknown =
      co_await talk("POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: tea\r\n\r\nabc");
  EXPECT_THAT(unknown, StartsWith("HTTP/1.1 417"));
}

CO_TEST(HttpServer, GivesUpAReaderThatStops) {
  const ServerOptions options{.write_timeout = 30ms};
  Served served(co_await net::this_executor(), routes(), options, {}, 4096);
  co_await testing::write_text(*served.client, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  co_await served.group.join();
  const std::string some = co_await testing::read_all(*served.client);
  EXPECT_LT(some.size(), 1'000'000u);
}

CO_TEST(HttpServer, LargeAnswersArriveWhole) {
  Served served(co_await net::this_executor(), routes(), ServerOptions{}, {}, 4096);
  const auto answer = co_await served.ask("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  CO_ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->body.size(), 1'000'000u);
  co_await served.leave();
}

CO_TEST(HttpServer, EndsWhenItIsCancelled) {
  Served served(co_await net::this_executor(), routes(), ServerOptions{});
  const auto answer = co_await served.ask("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  CO_ASSERT_TRUE(answer.has_value());
  served.group.cancel();
  co_await served.group.join();
  EXPECT_EQ(served.group.size(), 0u);
}

}  // namespace
}  // namespace portolan::net::http
