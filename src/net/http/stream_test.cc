// The server's streamed answers, as a watch makes them.
#include <optional>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/http/server.h"
#include "net/http/test_peer.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using testing::count;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Served;
using ::testing::StartsWith;

constexpr std::string_view kGet = "GET /watch HTTP/1.1\r\nHost: h\r\n\r\n";

// What the handlers saw, and what they wait for.
struct Seen {
  int sent = 0;
  std::optional<Error> closed;
  std::optional<Error> failed;
};

Task<Result<>> three(Call, Sink& sink) {
  CO_CHECK(co_await sink.begin({200, {{"content-type", "application/json"}}, {}}));
  CO_CHECK(co_await sink.send("one\n"));
  CO_CHECK(co_await sink.send(""));
  CO_CHECK(co_await sink.send("two\n"));
  co_return co_await sink.send("three\n");
}

Task<Result<>> until_closed(Seen& seen, Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  const auto closed = co_await sink.closed();
  seen.closed = closed.error();
  const auto sent = co_await sink.send("too late");
  if (!sent) seen.failed = sent.error();
  co_return sent;
}

Task<Result<>> endless(Seen& seen, Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  const std::string piece(1000, 'x');
  while (true) {
    const auto sent = co_await sink.send(piece);
    if (!sent) {
      seen.failed = sent.error();
      co_return sent;
    }
    ++seen.sent;
  }
}

Task<Result<>> watch_then_answer(Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  const auto closed = co_await with_timeout(sink.closed(), 30ms);
  const bool open = closed.error().code == Code::kTimeout;
  co_return co_await sink.send(open ? "still open" : "closed");
}

Task<Result<>> fails_after(Sink& sink, bool by_exception) {
  CO_CHECK(co_await sink.begin({}));
  CO_CHECK(co_await sink.send("part"));
  if (by_exception) throw std::runtime_error("swordfish");
  co_return fail(Code::kInternal, "swordfish");
}

Router routes(Seen& seen) {
  Router router;
  router.add_stream("GET", "/watch", three);
  router.add_stream("GET", "/until", [&seen](Call, Sink& sink) { return until_closed(seen, sink); });
  router.add_stream("GET", "/endless", [&seen](Call, Sink& sink) { return endless(seen, sink); });
  router.add_stream("GET", "/both", [](Call, Sink& sink) { return watch_then_answer(sink); });
  router.add_stream("GET", "/break", [](Call, Sink& sink) { return fails_after(sink, false); });
  router.add_stream("GET", "/throw", [](Call, Sink& sink) { return fails_after(sink, true); });
  router.add_stream("GET", "/refuse",
                    [](Call, Sink&) -> Task<Result<>> { co_return fail(Code::kDenied, "no", "no_grant"); });
  router.add_stream("GET", "/throw-first", [](Call, Sink&) -> Task<Result<>> {
    throw std::runtime_error("swordfish");
    co_return Result<>{};
  });
  router.add_stream("GET", "/silent", [](Call, Sink&) -> Task<Result<>> { co_return Result<>{}; });
  router.add_stream("GET", "/early", [](Call, Sink& sink) { return sink.send("x"); });
  return router;
}

std::string get(std::string_view path) { return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n"; }

CO_TEST(HttpStream, SendsPiecesAndGoesOn) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  Served served(executor, router, options);
  const std::string all = co_await served.talk(std::string(kGet) + std::string(kGet));
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(all, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_EQ(count(all, "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n6\r\nthree\n\r\n0\r\n\r\n"), 2u) << all;
  co_await served.group.join();
}

CO_TEST(HttpStream, HeadAndHttp10) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  Served head(executor, router, options);
  const std::string no_body =
      co_await head.talk("HEAD /watch HTTP/1.1\r\nHost: h\r\n\r\nHEAD /until HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(count(no_body, "HTTP/1.1 200"), 2u);
  EXPECT_THAT(no_body, Not(HasSubstr("one")));
  Served old(executor, router, options);
  const std::string plain = co_await old.talk("GET /watch HTTP/1.0\r\n\r\n");
  EXPECT_THAT(plain, EndsWith("\r\n\r\none\ntwo\nthree\n"));
  EXPECT_THAT(plain, Not(HasSubstr("chunked")));
  co_await head.group.join();
  co_await old.group.join();
}

CO_TEST(HttpStream, ASlowReaderSlowsTheHandler) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  Served served(executor, router, options, {}, 8192);
  co_await testing::write_text(*served.client, get("/endless"));
  for (int i = 0; i < 200; ++i) co_await yield_to_loop();
  const int before = seen.sent;
  EXPECT_LE(before, 9);
  EXPECT_GE(before, 1);
  std::size_t got = 0;
  while (got < 100'000) {
    const auto buffer = co_await read(*served.client);
    CO_ASSERT_TRUE(buffer.has_value());
    got += buffer->size();
  }
  EXPECT_GE(seen.sent, 90);
  co_await served.leave();
  CO_ASSERT_TRUE(seen.failed.has_value());
}

CO_TEST(HttpStream, GivesUpAReaderThatStops) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options{.write_timeout = 30ms};
  Served served(executor, router, options, {}, 8192);
  co_await testing::write_text(*served.client, get("/endless"));
  co_await served.group.join();
  CO_ASSERT_TRUE(seen.failed.has_value());
  EXPECT_EQ(seen.failed->code, Code::kTimeout);
}

CO_TEST(HttpStream, SeesTheClientGo) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  Served gone(executor, router, options);
  co_await testing::write_text(*gone.client, get("/until"));
  for (int i = 0; i < 50; ++i) co_await yield_to_loop();
  EXPECT_FALSE(seen.closed.has_value());
  co_await gone.leave();
  CO_ASSERT_TRUE(seen.closed.has_value());
  EXPECT_EQ(seen.closed->code, Code::kEof);
  CO_ASSERT_TRUE(seen.failed.has_value());
  EXPECT_EQ(seen.failed->code, Code::kEof);
  seen.closed.reset();
  Served polite(executor, router, options);
  const std::string all = co_await polite.talk(get("/until"));
  EXPECT_THAT(all, Not(HasSubstr("too late")));
  co_await polite.group.join();
  CO_ASSERT_TRUE(seen.closed.has_value());
  EXPECT_EQ(seen.closed->code, Code::kEof);
}

CO_TEST(HttpStream, RequestsThatComeMeanwhileWait) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  Served served(executor, router, options);
  co_await testing::write_text(*served.client, get("/both"));
  const auto second = co_await served.ask(get("/watch"));
  CO_ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->body, "still open");
  const auto next = co_await testing::receive(*served.reader);
  CO_ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->body, "one\ntwo\nthree\n");
  co_await served.leave();
}

CO_TEST(HttpStream, ToleratesOnlySoMuchMeanwhile) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options{.limits = {.header_bytes = 1000}};
  Served served(executor, router, options);
  co_await testing::write_text(*served.client, get("/until") + std::string(100'000, 'x'));
  co_await served.group.join();
  CO_ASSERT_TRUE(seen.closed.has_value());
  EXPECT_EQ(seen.closed->code, Code::kEof);
}

CO_TEST(HttpStream, FailuresBeforeTheBeginningAreProblems) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  Served served(executor, router, options);
  const std::string all =
      co_await served.talk(get("/refuse") + get("/throw-first") + get("/silent") + get("/early") + get("/watch"));
  EXPECT_THAT(all, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(all, HasSubstr(R"("code":"no_grant")"));
  EXPECT_EQ(count(all, "HTTP/1.1 500"), 3u);
  EXPECT_EQ(count(all, "HTTP/1.1 200"), 1u);
  EXPECT_THAT(all, Not(HasSubstr("swordfish")));
  co_await served.group.join();
}

CO_TEST(HttpStream, FailuresAfterwardsCutTheAnswer) {
  const Executor executor = co_await net::this_executor();
  Seen seen;
  const Router router = routes(seen);
  const ServerOptions options;
  for (std::string path : {"/break", "/throw"}) {
    Served served(executor, router, options);
    const std::string all = co_await served.talk(get(path) + get("/watch"));
    EXPECT_EQ(count(all, "HTTP/1.1"), 1u) << path;
    EXPECT_THAT(all, Not(HasSubstr("\r\n0\r\n"))) << path;
    EXPECT_THAT(all, Not(HasSubstr("swordfish"))) << path;
    co_await served.group.join();
  }
}

}  // namespace
}  // namespace portolan::net::http
