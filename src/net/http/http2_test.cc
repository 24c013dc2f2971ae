// The server over HTTP/2, as honest clients use it.
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/event.h"
#include "net/http/http2_limits.h"
#include "net/http/http2_raw_peer.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using testing::get;
using ::testing::HasSubstr;
using testing::Http2Client;
using testing::Http2Served;
using ::testing::Not;
using testing::post;

Response text(std::string body) { return {200, {{"content-type", "text/plain"}}, std::move(body)}; }

Task<Response> echo(Call call) {
  std::string body = call.request.method + " " + call.request.path;
  for (const auto& argument : call.path_arguments) body += " {" + argument + "}";
  for (const auto& [name, value] : call.request.query) body += " " + name + "=" + value;
  if (!call.request.body.empty()) body += " [" + call.request.body + "]";
  co_return text(body + " from " + call.connection->peer);
}

Task<Response> size(Call call) { co_return text(std::to_string(call.request.body.size())); }
Task<Response> cookie(Call call) { co_return text(std::string(call.request.header("cookie"))); }
Task<Response> large(Call) { co_return text(std::string(1'000'000, 'x')); }
Task<Response> empty(Call) { co_return Response{204, {}, {}}; }
Task<Response> closing(Call) { co_return Response{200, {{"connection", "close"}}, "bye"}; }
Task<Response> injecting(Call) { co_return Response{200, {{"x-a", "b\r\nset-cookie: c"}}, "x"}; }
Task<Response> throwing(Call) {
  co_await yield_to_loop();
  throw std::runtime_error("the password is swordfish");
}

// Handlers that wait until the test lets them go.
struct Gate {
  explicit Gate(const Executor& executor) : opened(executor) {}
  static Task<Response> wait(Gate& gate) {
    ++gate.waiting;
    const auto let_go = co_await gate.opened.wait(5s);
    --gate.waiting;
    co_return text(let_go ? "let go" : let_go.error().message);
  }
  Event opened;
  int waiting = 0;
};

Router routes(Gate& gate) {
  Router router;
  router.add("GET", "/echo/{what}", echo);
  router.add("POST", "/echo/{what}", echo);
  router.add("POST", "/size", size);
  router.add("GET", "/cookie", cookie);
  router.add("GET", "/large", large);
  router.add("GET", "/empty", empty);
  router.add("GET", "/close", closing);
  router.add("GET", "/inject", injecting);
  router.add("GET", "/throw", throwing);
  router.add("GET", "/gate", [&gate](Call) { return Gate::wait(gate); });
  return router;
}

CO_TEST(Http2Server, AnswersRequestsOfOneConnection) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  const auto first = co_await served.client.ask(get("/echo/a%20b?x=1&y=%20"));
  EXPECT_EQ(first.status(), 200);
  EXPECT_EQ(first.body, "GET /echo/a b {a b} x=1 y=  from 10.0.0.1");
  EXPECT_EQ(first.headers.at("content-length"), std::to_string(first.body.size()));
  EXPECT_EQ(first.headers.at("content-type"), "text/plain");
  EXPECT_THAT(first.headers.at("date"), HasSubstr("GMT"));
  EXPECT_TRUE(first.ended);
  EXPECT_FALSE(first.reset);
  const auto second = co_await served.client.ask(post("/echo/x", {{"content-length", "3"}}), "abc");
  EXPECT_EQ(second.body, "POST /echo/x {x} [abc] from 10.0.0.1");
  EXPECT_FALSE(second.reset);
  const auto third = co_await served.client.ask(get("/cookie", {{"cookie", "a=1"}, {"cookie", "b=2"}}));
  EXPECT_EQ(third.body, "a=1; b=2");
  const auto fourth = co_await served.client.ask(get("/empty"));
  EXPECT_EQ(fourth.status(), 204);
  EXPECT_FALSE(fourth.headers.contains("content-length"));
  co_await served.leave();
}

CO_TEST(Http2Server, ASlowHandlerKeepsNobodyWaiting) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  const auto slow = served.client.request(get("/gate"));
  const auto other = served.client.request(get("/gate"));
  const auto quick = co_await served.client.ask(get("/echo/x"));
  EXPECT_EQ(quick.status(), 200);
  EXPECT_EQ(gate.waiting, 2);
  EXPECT_FALSE(served.client.answers[slow].over());
  gate.opened.set();
  const bool came = co_await served.client.until(
      [&] { return served.client.answers[slow].ended && served.client.answers[other].ended; });
  EXPECT_TRUE(came);
  EXPECT_EQ(served.client.answers[slow].body, "let go");
  co_await served.leave();
}

CO_TEST(Http2Server, AnswersHeadWithoutABody) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  for (const auto& [path, status] : std::map<std::string, int>{{"/echo/x", 200}, {"/missing", 404}}) {
    auto fields = get(path);
    fields[0].second = "HEAD";
    const auto answer = co_await served.client.ask(fields);
    EXPECT_EQ(answer.status(), status);
    EXPECT_NE(answer.headers.at("content-length"), "0");
    EXPECT_EQ(answer.body, "");
    EXPECT_TRUE(answer.ended);
  }
  co_await served.leave();
}

CO_TEST(Http2Server, ErrorsAreProblems) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  const auto missing = co_await served.client.ask(get("/x"));
  EXPECT_EQ(missing.status(), 404);
  EXPECT_EQ(missing.headers.at("content-type"), "application/problem+json");
  EXPECT_THAT(missing.body, HasSubstr(R"("code":"not_found")"));
  const auto method = co_await served.client.ask(post("/large"), "");
  EXPECT_EQ(method.status(), 405);
  EXPECT_EQ(method.headers.at("allow"), "GET, HEAD");
  for (const char* path : {"/throw", "/inject"}) {
    const auto failed = co_await served.client.ask(get(path));
    EXPECT_EQ(failed.status(), 500) << path;
    EXPECT_THAT(failed.body, Not(HasSubstr("swordfish")));
    EXPECT_FALSE(failed.headers.contains("set-cookie"));
  }
  const auto after = co_await served.client.ask(get("/echo/x"));
  EXPECT_EQ(after.status(), 200);
  co_await served.leave();
}

CO_TEST(Http2Server, AnswersOnlyForItsHosts) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {}, {.peer = "p", .server_name = "App.example"});
  const auto ask_for = [](std::string host) {
    auto fields = get("/echo/x");
    fields[2].second = std::move(host);
    return fields;
  };
  const auto right = co_await served.client.ask(ask_for("app.EXAMPLE:443"));
  EXPECT_EQ(right.status(), 200);
  for (const char* host : {"internal.example", "app.example.evil.example", "127.0.0.1"}) {
    const auto wrong = co_await served.client.ask(ask_for(host));
    EXPECT_EQ(wrong.status(), 421) << host;
    EXPECT_THAT(wrong.body, HasSubstr(R"("code":"misdirected")"));
  }
  const auto again = co_await served.client.ask(ask_for("app.example"));
  EXPECT_EQ(again.status(), 200);
  co_await served.leave();
  Http2Served local(executor, router, {.hosts = {"localhost"}});
  const auto rebound = co_await local.client.ask(ask_for("evil.example"));
  EXPECT_EQ(rebound.status(), 421);
  co_await local.leave();
}

CO_TEST(Http2Server, RefusesPathsThatHide) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  for (const char* path :
       {"/echo/%00", "/echo/../large", "/echo/%2e%2e/x", "/echo/%zz", "/echo/a%2fb", "/echo/x?a=1&a=2"}) {
    const auto refused = co_await served.client.ask(get(path));
    EXPECT_EQ(refused.status(), 400) << path;
    EXPECT_THAT(refused.body, HasSubstr(R"("code":"bad_target")")) << path;
  }
  co_await served.leave();
}

CO_TEST(Http2Server, LargeAnswersArriveWhole) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {}, {}, Http2Client::Windows::kOpen, 4096);
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(served.client.request(get("/large")));
  for (const auto id : ids) {
    const bool came = co_await served.client.until([&] { return served.client.answers[id].ended; });
    EXPECT_TRUE(came);
    EXPECT_EQ(served.client.answers[id].body, std::string(1'000'000, 'x'));
  }
  co_await served.leave();
}

CO_TEST(Http2Server, SaysContinueToThoseWhoWait) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {.limits = {.body_bytes = 1000}});
  auto& client = served.client;
  const auto waits =
      client.upload(post("/size", {{"expect", "100-continue"}, {"content-length", "3"}}), "", Http2Client::End::kNever);
  const bool told = co_await client.until([&] { return client.answers[waits].interim == 1; });
  EXPECT_TRUE(told);
  client.reset(waits);
  const auto tea = co_await client.ask(post("/size", {{"expect", "tea"}}), "abc");
  EXPECT_EQ(tea.status(), 417);
  // Whose body would be too large is told at once, and nothing else.
  const auto large = client.upload(post("/size", {{"expect", "100-continue"}, {"content-length", "100000000"}}), "",
                                   Http2Client::End::kNever);
  const bool refused = co_await client.until([&] { return client.answers[large].over(); });
  EXPECT_TRUE(refused);
  EXPECT_EQ(client.answers[large].status(), 413);
  EXPECT_EQ(client.answers[large].interim, 0);
  co_await served.leave();
}

// By what is announced, and by what comes; the client stops, and the connection goes on.
CO_TEST(Http2Server, RefusesLargeBodiesWithoutReadingThem) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {.limits = {.body_bytes = 100'000}});
  const std::string body(10'000'000, 'x');
  for (const auto& fields : {post("/size", {{"content-length", "10000000"}}), post("/size"), post("/missing")}) {
    const auto refused = co_await served.client.ask(fields, body);
    EXPECT_EQ(refused.status(), 413);
    EXPECT_TRUE(refused.ended);
    EXPECT_THAT(refused.body, HasSubstr(R"("code":"body_too_large")"));
    const std::int32_t id = served.client.answers.rbegin()->first;
    const bool stopped = co_await served.client.until([&] { return served.client.answers[id].reset.has_value(); });
    EXPECT_TRUE(stopped);
    EXPECT_EQ(served.client.answers[id].reset, NGHTTP2_NO_ERROR);
  }
  const auto fits = co_await served.client.ask(post("/size"), std::string(100'000, 'x'));
  EXPECT_EQ(fits.body, "100000");
  co_await served.leave();
}

CO_TEST(Http2Server, TheBodysLimitDependsOnTheRequest) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  ServerOptions options{.limits = {.body_bytes = 1000}};
  options.body_limit = [](const Request& head, const Connection& connection) -> std::size_t {
    EXPECT_TRUE(head.body.empty());
    return head.header("x-key") == "k" && connection.peer == "10.0.0.1" ? 5'000'000 : 1000;
  };
  Http2Served served(executor, router, options);
  const auto trusted = co_await served.client.ask(post("/size", {{"x-key", "k"}}), std::string(5'000'000, 'x'));
  EXPECT_EQ(trusted.body, "5000000");
  const auto beyond = co_await served.client.ask(post("/size", {{"x-key", "k"}}), std::string(5'000'001, 'x'));
  EXPECT_EQ(beyond.status(), 413);
  const auto other = co_await served.client.ask(post("/size"), std::string(1001, 'x'));
  EXPECT_EQ(other.status(), 413);
  co_await served.leave();
}

// More than the connection has room for at a time: they wait for each other, and all arrive.
CO_TEST(Http2Server, UploadsTakeTurns) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {.limits = {.body_bytes = 700'000}});
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 30; ++i) ids.push_back(served.client.upload(post("/size"), std::string(600'000 + i, 'x')));
  for (int i = 0; i < 30; ++i) {
    const auto& answer = served.client.answers[ids[i]];
    const bool came = co_await served.client.until([&] { return answer.over(); });
    EXPECT_TRUE(came);
    EXPECT_EQ(answer.body, std::to_string(600'000 + i));
  }
  co_await served.leave();
}

CO_TEST(Http2Server, ManyRequestsAtOnce) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {.concurrent_requests = 10});
  const auto first = co_await served.client.ask(get("/echo/x"));  // from here on the client knows how many
  EXPECT_EQ(first.status(), 200);
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 500; ++i)
    ids.push_back(i % 2 == 0 ? served.client.request(get("/echo/x")) : served.client.upload(post("/size"), "12345"));
  for (const auto id : ids) {
    const auto& answer = served.client.answers[id];
    const bool came = co_await served.client.until([&] { return answer.over(); });
    EXPECT_TRUE(came);
    EXPECT_EQ(answer.status(), 200);
  }
  co_await served.leave();
}

CO_TEST(Http2Server, WaitsForAClientOnlySoLong) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  const ServerOptions options{.header_timeout = 30ms, .body_timeout = 30ms, .idle_timeout = 30ms};
  Http2Served silent(executor, router, options);
  co_await silent.ended();
  EXPECT_EQ(silent.client.goaway, NGHTTP2_NO_ERROR);
  testing::RawServed half(executor, router, options);
  const Bytes block = testing::block_of(get("/echo/x"));
  const bool begun = co_await half.peer.say(testing::frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block));
  EXPECT_TRUE(begun);
  co_await half.ended();
  EXPECT_EQ(half.peer.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
  Http2Served idle(executor, router, options);
  const auto once = co_await idle.client.ask(get("/echo/x"));
  EXPECT_EQ(once.status(), 200);
  co_await idle.ended();
  EXPECT_EQ(idle.client.goaway, NGHTTP2_NO_ERROR);
}

CO_TEST(Http2Server, WaitsForABodyOnlySoLong) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {.body_timeout = 30ms});
  for (const std::string length : {"10", "1000000"}) {
    const auto id = served.client.upload(post("/size", {{"content-length", length}}), "123", Http2Client::End::kNever);
    const bool came = co_await served.client.until([&] { return served.client.answers[id].over(); });
    EXPECT_TRUE(came);
    EXPECT_EQ(served.client.answers[id].status(), 408);
  }
  const auto after = co_await served.client.ask(get("/echo/x"));
  EXPECT_EQ(after.status(), 200);
  co_await served.leave();
}

// Who does not take one answer in loses that one; who takes nothing in loses the connection.
CO_TEST(Http2Server, GivesUpReadersThatStop) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router, {.write_timeout = 30ms}, {}, Http2Client::Windows::kShut);
  const auto id = served.client.request(get("/large"));
  const bool came = co_await served.client.until([&] { return served.client.answers[id].over(); });
  EXPECT_TRUE(came);
  EXPECT_EQ(served.client.answers[id].reset, NGHTTP2_CANCEL);
  EXPECT_LE(served.client.answers[id].body.size(), 65'535U);
  co_await served.leave();
  Http2Served deaf(executor, router, {.write_timeout = 30ms}, {}, Http2Client::Windows::kOpen, 4096);
  deaf.client.request(get("/large"));
  co_await deaf.client.send();
  co_await deaf.served.group.join();
}

CO_TEST(Http2Server, SaysGoodbyeAndFinishes) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Draining draining;
  Http2Served served(executor, router, {.draining = &draining});
  auto& client = served.client;
  const auto slow = client.request(get("/gate"));
  co_await client.linger();
  EXPECT_EQ(gate.waiting, 1);
  EXPECT_EQ(draining.busy, 1U);
  draining.stop.stop(Error{Code::kUnavailable, "stopping", {}, Hop::kUnknown});
  const bool told = co_await client.until([&] { return client.goaway.has_value(); });
  EXPECT_TRUE(told);
  EXPECT_EQ(client.goaway, NGHTTP2_NO_ERROR);
  EXPECT_FALSE(client.answers[slow].over());
  gate.opened.set();
  co_await served.ended();
  EXPECT_EQ(client.answers[slow].body, "let go");
  EXPECT_EQ(draining.busy, 0U);
}

CO_TEST(Http2Server, AnIdleConnectionEndsWhenTheServerStops) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Draining draining;
  Http2Served served(executor, router, {.draining = &draining});
  const auto answer = co_await served.client.ask(get("/echo/x"));
  EXPECT_EQ(answer.status(), 200);
  draining.stop.stop(Error{Code::kUnavailable, "stopping", {}, Hop::kUnknown});
  co_await served.ended();
  EXPECT_EQ(served.client.goaway, NGHTTP2_NO_ERROR);
}

CO_TEST(Http2Server, EndsAfterAnAnswerThatSaysSo) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  const auto answer = co_await served.client.ask(get("/close"));
  EXPECT_EQ(answer.body, "bye");
  EXPECT_FALSE(answer.headers.contains("connection"));
  co_await served.ended();
  EXPECT_EQ(served.client.goaway, NGHTTP2_NO_ERROR);
}

CO_TEST(Http2Server, EndsWhenItIsCancelled) {
  const Executor executor = co_await this_executor();
  Gate gate(executor);
  const Router router = routes(gate);
  Http2Served served(executor, router);
  served.client.request(get("/gate"));
  served.client.request(get("/large"));
  co_await served.client.linger();
  EXPECT_EQ(gate.waiting, 1);
  served.served.group.cancel();
  co_await served.served.group.join();
  EXPECT_EQ(gate.waiting, 0);
}

}  // namespace
}  // namespace portolan::net::http
