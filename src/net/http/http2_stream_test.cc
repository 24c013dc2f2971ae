// Streamed answers over HTTP/2, as a watch makes them.
#include <optional>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/http/http2_peer.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using testing::get;
using ::testing::HasSubstr;
using testing::Http2Client;
using testing::Http2Served;
using ::testing::Not;

// What the handlers saw, and what they wait for.
struct Seen {
  int sent = 0;
  std::optional<Error> closed;
  std::optional<Error> failed;
};

Task<Result<>> three(Call, Sink& sink) {
  CO_CHECK(co_await sink.begin({200, {{"content-type", "application/json"}}, "zero\n"}));
  CO_CHECK(co_await sink.send("one\n"));
  CO_CHECK(co_await sink.send(""));
  co_return co_await sink.send("two\n");
}

Task<Result<>> until_closed(Seen& seen, Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  CO_CHECK(co_await sink.send("begun"));
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
  router.add_stream("GET", "/break", [](Call, Sink& sink) { return fails_after(sink, false); });
  router.add_stream("GET", "/throw", [](Call, Sink& sink) { return fails_after(sink, true); });
  router.add_stream("GET", "/refuse",
                    [](Call, Sink&) -> Task<Result<>> { co_return fail(Code::kDenied, "no", "no_grant"); });
  router.add_stream("GET", "/silent", [](Call, Sink&) -> Task<Result<>> { co_return Result<>{}; });
  router.add_stream("GET", "/early", [](Call, Sink& sink) { return sink.send("x"); });
  router.add_stream("GET", "/empty", [](Call, Sink& sink) { return sink.begin({204, {}, {}}); });
  return router;
}

CO_TEST(Http2Stream, SendsPieces) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router);
  const auto answer = co_await served.client.ask(get("/watch"));
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "zero\none\ntwo\n");
  EXPECT_FALSE(answer.headers.contains("content-length"));
  EXPECT_TRUE(answer.ended);
  EXPECT_FALSE(answer.reset);
  auto head = get("/watch");
  head[0].second = "HEAD";
  const auto bodiless = co_await served.client.ask(head);
  EXPECT_EQ(bodiless.status(), 200);
  EXPECT_EQ(bodiless.body, "");
  EXPECT_TRUE(bodiless.ended);
  const auto empty = co_await served.client.ask(get("/empty"));
  EXPECT_EQ(empty.status(), 204);
  EXPECT_TRUE(empty.ended);
  co_await served.leave();
}

// Beside it, requests of the same connection are answered.
CO_TEST(Http2Stream, ASlowReaderSlowsTheHandlerAlone) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router, {}, {}, Http2Client::Windows::kShut);
  auto& client = served.client;
  const auto id = client.request(get("/endless"));
  const bool full = co_await client.until([&] { return client.answers[id].body.size() == 65'535; });
  EXPECT_TRUE(full);
  co_await client.linger();
  EXPECT_EQ(seen.sent, 65);
  EXPECT_EQ(client.answers[id].body.size(), 65'535U);
  nghttp2_session_consume(client.session(), id, 65'535);
  const bool more = co_await client.until([&] { return client.answers[id].body.size() >= 100'000; });
  EXPECT_TRUE(more);
  EXPECT_GE(seen.sent, 99);
  const auto beside = co_await client.ask(get("/empty"));
  EXPECT_EQ(beside.status(), 204);
  client.reset(id);
  co_await served.leave();
  CO_ASSERT_TRUE(seen.failed.has_value());
  EXPECT_EQ(seen.failed->code, Code::kEof);
}

CO_TEST(Http2Stream, GivesUpAReaderThatStops) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router, {.write_timeout = 30ms}, {}, Http2Client::Windows::kShut);
  const auto answer = co_await served.client.ask(get("/endless"));
  EXPECT_TRUE(answer.reset);
  co_await served.leave();
  CO_ASSERT_TRUE(seen.failed.has_value());
  EXPECT_EQ(seen.failed->code, Code::kTimeout);
}

CO_TEST(Http2Stream, SeesTheStreamReset) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router);
  auto& client = served.client;
  const auto id = client.request(get("/until"));
  const bool begun = co_await client.until([&] { return client.answers[id].body == "begun"; });
  EXPECT_TRUE(begun);
  co_await client.linger();
  EXPECT_FALSE(seen.closed.has_value());
  client.reset(id);
  co_await client.linger();
  EXPECT_TRUE(seen.closed.has_value());
  CO_ASSERT_TRUE(seen.failed.has_value());
  EXPECT_EQ(seen.closed->code, Code::kEof);
  EXPECT_EQ(seen.failed->code, Code::kEof);
  const auto after = co_await client.ask(get("/watch"));
  EXPECT_EQ(after.status(), 200);
  co_await served.leave();
}

CO_TEST(Http2Stream, SeesTheClientGo) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router);
  auto& client = served.client;
  const auto id = client.request(get("/until"));
  const bool begun = co_await client.until([&] { return client.answers[id].body == "begun"; });
  EXPECT_TRUE(begun);
  nghttp2_submit_goaway(client.session(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
  co_await client.linger();
  EXPECT_FALSE(seen.closed.has_value()) << "it only asks for nothing more";
  co_await served.leave();
  CO_ASSERT_TRUE(seen.closed && seen.failed);
  EXPECT_EQ(seen.closed->code, Code::kEof);
  EXPECT_EQ(seen.failed->code, Code::kEof);
}

CO_TEST(Http2Stream, FailuresBeforeTheBeginningAreProblems) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router);
  const auto refused = co_await served.client.ask(get("/refuse"));
  EXPECT_EQ(refused.status(), 403);
  EXPECT_THAT(refused.body, HasSubstr(R"("code":"no_grant")"));
  for (const char* path : {"/silent", "/early"}) {
    const auto failed = co_await served.client.ask(get(path));
    EXPECT_EQ(failed.status(), 500) << path;
  }
  co_await served.leave();
}

CO_TEST(Http2Stream, FailuresAfterwardsCutTheAnswer) {
  const Executor executor = co_await this_executor();
  Seen seen;
  const Router router = routes(seen);
  Http2Served served(executor, router);
  for (const char* path : {"/break", "/throw"}) {
    const auto cut = co_await served.client.ask(get(path));
    EXPECT_EQ(cut.status(), 200);
    EXPECT_FALSE(cut.ended) << path;
    EXPECT_EQ(cut.reset, NGHTTP2_INTERNAL_ERROR);
    EXPECT_THAT(cut.body, Not(HasSubstr("swordfish")));
  }
  const auto after = co_await served.client.ask(get("/watch"));
  EXPECT_EQ(after.status(), 200);
  co_await served.leave();
}

}  // namespace
}  // namespace portolan::net::http
