#include "net/http/client.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/http/server.h"
#include "net/http/test_peer.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kLimit = 5s;

Task<Response> echo(Call call) {
  co_await yield_to_loop();
  co_return Response{200, {{"x-path", call.request.path}}, call.request.method + call.request.body};
}

Task<Response> large(Call) { co_return Response{200, {}, std::string(100'000, 'x')}; }

// A server of the real kind, for every connection of a client.
struct Site {
  explicit Site(const Executor& executor) : group(executor) {
    router.add("GET", "/echo", echo);
    router.add("POST", "/echo", echo);
    router.add("GET", "/large", large);
    router.add_stream("GET", "/lines", [](Call call, Sink& sink) { return lines(std::move(call), sink); });
  }
  Connect connector() {
    return [this] { return connect(); };
  }
  Task<Result<std::unique_ptr<Stream>>> connect() {
    ++connections;
    auto [ours, theirs] = memory_pair(group.executor());
    group.spawn("site", serve_connection(std::move(theirs), {}, router, options));
    co_return std::move(ours);
  }
  static Task<Result<>> lines(Call, Sink& sink) {
    CO_CHECK(co_await sink.begin({200, {{"x-kind", "lines"}}, {}}));
    CO_CHECK(co_await sink.send("{\"n\":1}\n{\"n\":2}\r\n{\"n\""));
    co_await yield_to_loop();
    CO_CHECK(co_await sink.send(":3}\n\nla"));
    co_return co_await sink.send("st");
  }

  Router router;
  ServerOptions options;
  int connections = 0;
  TaskGroup group;
};

// A server that plays a part: for each connection in turn, the answers to its requests, after the last of which it goes
// away.
struct Script {
  using Answers = std::deque<std::string>;
  Script(const Executor& executor, std::deque<Answers> parts) : connections(std::move(parts)), group(executor) {}
  Connect connector() {
    return [this] { return connect(); };
  }
  Task<Result<std::unique_ptr<Stream>>> connect() {
    if (connections.empty()) co_return fail(Code::kUnavailable, "nobody listens");
    auto [ours, theirs] = memory_pair(group.executor());
    group.spawn("script", play(std::move(theirs), std::move(connections.front()), requests));
    connections.pop_front();
    co_return std::move(ours);
  }
  static Task<> play(std::unique_ptr<Stream> stream, Answers answers, std::vector<std::string>& requests) {
    Reader reader(*stream);
    while (!answers.empty()) {
      const auto parser = Parser::of_request({});
      const auto head = co_await read_head(reader, *parser, {});
      if (!head) co_return;
      std::string body;
      const auto read = co_await read_body(reader, *parser, body);
      if (!read) co_return;
      requests.push_back(head->method + " " + head->target + " " + body);
      const std::string answer = std::exchange(answers.front(), {});
      answers.pop_front();
      const auto written = co_await write(*stream, as_bytes(answer));
      if (!written) co_return;
    }
  }

  std::deque<Answers> connections;
  std::vector<std::string> requests;
  TaskGroup group;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Request get(std::string path) { return {.path = std::move(path)}; }
Request post(std::string body) { return {.method = "POST", .path = "/echo", .body = std::move(body)}; }

CO_TEST(HttpClient, AsksAndKeepsItsConnection) {
  Site site(co_await net::this_executor());
  {
    Client client(site.connector(), "site");
    const auto first = co_await client.request(get("/echo"), kLimit);
    CO_ASSERT_OK(first);
    EXPECT_EQ(first->status, 200);
    EXPECT_EQ(first->body, "GET");
    EXPECT_EQ(first->header("x-path"), "/echo");
    const auto second = co_await client.request(post("abc"), kLimit);
    CO_ASSERT_OK(second);
    EXPECT_EQ(second->body, "POSTabc");
    const auto head = co_await client.request({.method = "HEAD", .path = "/large"}, kLimit);
    CO_ASSERT_OK(head);
    EXPECT_EQ(head->body, "");
    EXPECT_EQ(head->header("content-length"), "100000");
    const auto third = co_await client.request(get("/large"), kLimit);
    CO_ASSERT_OK(third);
    EXPECT_EQ(third->body.size(), 100'000u);
    EXPECT_EQ(site.connections, 1);
  }
  co_await site.group.join();
}

CO_TEST(HttpClient, ProblemsBecomeErrors) {
  Site site(co_await net::this_executor());
  {
    Client client(site.connector(), "site");
    const auto missing = co_await client.request(get("/missing"), kLimit);
    CO_ASSERT_OK(missing);
    const Error error = error_from(*missing);
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_EQ(error.message, "nothing is at \"/missing\"");
  }
  co_await site.group.join();
}

CO_TEST(HttpClient, OneAtATime) {
  const Executor executor = co_await net::this_executor();
  Site site(executor);
  {
    Client client(site.connector(), "site");
    std::vector<std::string> answers;
    TaskGroup group(executor);
    const auto ask = [](Client& asked, int n, std::vector<std::string>& into) -> Task<> {
      const auto answer = co_await asked.request(post(std::to_string(n)), kLimit);
      into.push_back(answer ? answer->body : answer.error().message);
    };
    for (int n = 0; n < 5; ++n) group.spawn("ask", ask(client, n, answers));
    co_await group.join();
    EXPECT_THAT(answers, ::testing::UnorderedElementsAre("POST0", "POST1", "POST2", "POST3", "POST4"));
    EXPECT_EQ(site.connections, 1);
  }
  co_await site.group.join();
}

CO_TEST(HttpClient, ReplacesAConnectionThatClosedMeanwhile) {
  Script script(co_await net::this_executor(), {{kOk}, {kOk}});
  Client client(script.connector(), "h");
  const auto first = co_await client.request(post("1"), kLimit);
  CO_ASSERT_OK(first);
  for (int i = 0; i < 50; ++i) co_await yield_to_loop();
  const auto second = co_await client.request(post("2"), kLimit);
  CO_ASSERT_OK(second);
  EXPECT_THAT(script.requests, ::testing::ElementsAre("POST /echo 1", "POST /echo 2"));
  co_await script.group.join();
}

// A connection on which the server half-closes, or speaks out of turn, while it is idle.
CO_TEST(HttpClient, DistrustsAKeptConnectionThatIsNotQuiet) {
  const Executor executor = co_await net::this_executor();
  for (const std::string& unasked : {std::string(), kOk}) {
    std::vector<StreamPair> pairs;
    for (int i = 0; i < 2; ++i) pairs.push_back(memory_pair(executor));
    std::size_t used = 0;
    const auto next = [](std::vector<StreamPair>& from, std::size_t& n) -> Task<Result<std::unique_ptr<Stream>>> {
      co_return std::move(from.at(n++).first);
    };
    Client client([&] { return next(pairs, used); }, "h");
    co_await testing::write_text(*pairs[0].second, kOk);
    const auto first = co_await client.request(post("1"), kLimit);
    CO_ASSERT_OK(first);
    co_await testing::write_text(*pairs[0].second, unasked);
    if (unasked.empty()) CO_ASSERT_OK(pairs[0].second->shutdown_send());
    co_await testing::write_text(*pairs[1].second, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh");
    const auto second = co_await client.request(post("2"), kLimit);
    CO_ASSERT_OK(second);
    EXPECT_EQ(second->body, "fresh");
  }
}

// The connection ends when the request is already on its way: it has perhaps been carried out.
CO_TEST(HttpClient, RepeatsOnlyWhatMayBeRepeated) {
  const Executor executor = co_await net::this_executor();
  Request with_key = post("2");
  with_key.headers["idempotency-key"] = "k";
  for (const auto& [request, repeated] :
       std::vector<std::pair<Request, bool>>{{get("/a"), true}, {with_key, true}, {post("2"), false}}) {
    Script script(executor, {{kOk, ""}, {kOk}});
    Client client(script.connector(), "h");
    const auto first = co_await client.request(post("1"), kLimit);
    CO_ASSERT_OK(first);
    const auto second = co_await client.request(request, kLimit);
    EXPECT_EQ(second.has_value(), repeated);
    EXPECT_EQ(script.requests.size(), repeated ? 3u : 2u);
    if (!second) {
      EXPECT_THAT(second.error().message, StartsWith("POST /echo at h: "));
      EXPECT_TRUE(second.error().code == Code::kEof || second.error().code == Code::kIo);
    }
    co_await script.group.join();
  }
}

CO_TEST(HttpClient, RepeatsOnce) {
  const Executor executor = co_await net::this_executor();
  Script twice(executor, {{kOk, ""}, {""}, {kOk}});
  Client client(twice.connector(), "h");
  const auto first = co_await client.request(get("/"), kLimit);
  CO_ASSERT_OK(first);
  const auto second = co_await client.request(get("/"), kLimit);
  EXPECT_FALSE(second.has_value());
  EXPECT_EQ(twice.connections.size(), 1u);
  Script part(executor, {{kOk, "HTTP/1.1 200"}, {kOk}});
  Client cut(part.connector(), "h");
  const auto whole = co_await cut.request(get("/"), kLimit);
  CO_ASSERT_OK(whole);
  const auto begun = co_await cut.request(get("/"), kLimit);
  EXPECT_FALSE(begun.has_value());
  EXPECT_EQ(part.connections.size(), 1u);
  co_await twice.group.join();
  co_await part.group.join();
}

CO_TEST(HttpClient, TakesOnlyProperAnswers) {
  const Executor executor = co_await net::this_executor();
  const Limits limits{.header_bytes = 1000, .body_bytes = 100};
  for (const auto& [answer, code] : std::vector<std::pair<std::string, Code>>{
           {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", Code::kLimit},
           {"HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x'), Code::kLimit},
           {"HTTP/1.1 200 OK\r\nX: " + std::string(1001, 'x'), Code::kLimit},
           {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Code::kProtocol},
           {"HTTP/1.1 101 Switching Protocols\r\n\r\n", Code::kProtocol},
           {"SSH-2.0-OpenSSH\r\n", Code::kIo},
           {"-ERR\r\n\r\n", Code::kProtocol}}) {
    Script script(executor, {{answer}});
    Client client(script.connector(), "h", limits);
    const auto got = co_await client.request(get("/"), kLimit);
    CO_ASSERT_ERROR(got, code);
    co_await script.group.join();
  }
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 102 Processing\r\n\r\n";
  Script chatty(executor, {{interim + kOk}});
  Client impatient(chatty.connector(), "h");
  const auto refused = co_await impatient.request(get("/"), kLimit);
  CO_ASSERT_ERROR(refused, Code::kProtocol);
  co_await chatty.group.join();
}

CO_TEST(HttpClient, PassesOverInterimAnswers) {
  Script script(co_await net::this_executor(),
                {{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + kOk}});
  Client client(script.connector(), "h");
  const auto answer = co_await client.request(get("/"), kLimit);
  CO_ASSERT_OK(answer);
  EXPECT_EQ(answer->body, "ok");
  co_await script.group.join();
}

CO_TEST(HttpClient, DropsAConnectionThatSaysTooMuch) {
  Script script(co_await net::this_executor(), {{kOk + kOk, "unasked"}, {kOk}});
  {
    Client client(script.connector(), "h");
    for (int i = 0; i < 2; ++i) {
      const auto answer = co_await client.request(get("/"), kLimit);
      CO_ASSERT_OK(answer);
    }
    EXPECT_TRUE(script.connections.empty());
  }
  co_await script.group.join();
}

CO_TEST(HttpClient, SaysThatItCannotConnect) {
  Script script(co_await net::this_executor(), {});
  Client client(script.connector(), "h");
  const auto answer = co_await client.request(get("/a b"), kLimit);
  CO_ASSERT_ERROR(answer, Code::kUnavailable);
  EXPECT_EQ(answer.error().message, "GET /a%20b at h: nobody listens");
}

CO_TEST(HttpClient, WaitsOnlySoLong) {
  const Executor executor = co_await net::this_executor();
  StreamPair silent = memory_pair(executor);
  int connections = 0;
  const auto dial = [](std::unique_ptr<Stream>& stream, int& n) -> Task<Result<std::unique_ptr<Stream>>> {
    if (++n > 1) co_return fail(Code::kUnavailable, "nobody listens");
    co_return std::move(stream);
  };
  Client client([&] { return dial(silent.first, connections); }, "h");
  const auto answer = co_await client.request(get("/"), 30ms);
  CO_ASSERT_ERROR(answer, Code::kTimeout);
  const auto next = co_await client.request(get("/"), 30ms);
  CO_ASSERT_ERROR(next, Code::kUnavailable);
}

CO_TEST(HttpClient, RefusesToSendWhatWouldBeTwoRequests) {
  Script script(co_await net::this_executor(), {{kOk}});
  {
    Client client(script.connector(), "h");
    const auto answer = co_await client.request({.headers = {{"x", "y\r\n\r\nGET / HTTP/1.1"}}}, kLimit);
    CO_ASSERT_ERROR(answer, Code::kInvalid);
    EXPECT_TRUE(script.requests.empty());
  }
  co_await script.group.join();
}

CO_TEST(HttpLines, GivesLineByLine) {
  Site site(co_await net::this_executor());
  {
    Client client(site.connector(), "site");
    auto lines = co_await client.open(get("/lines"), kLimit);
    CO_ASSERT_OK(lines);
    EXPECT_EQ((*lines)->head().status, 200);
    EXPECT_EQ((*lines)->head().header("x-kind"), "lines");
    for (std::string expected : {"{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "", "last"}) {
      const auto line = co_await (*lines)->next(kLimit, 100);
      CO_ASSERT_OK(line);
      EXPECT_EQ(*line, expected);
    }
    for (int i = 0; i < 2; ++i) {
      const auto end = co_await (*lines)->next(kLimit, 100);
      CO_ASSERT_ERROR(end, Code::kEof);
    }
    const auto beside = co_await client.request(get("/echo"), kLimit);
    CO_ASSERT_OK(beside);
    EXPECT_EQ(site.connections, 2);
  }
  co_await site.group.join();
}

CO_TEST(HttpLines, OtherStatusesAreTheHead) {
  Site site(co_await net::this_executor());
  {
    Client client(site.connector(), "site");
    auto lines = co_await client.open(get("/missing"), kLimit);
    CO_ASSERT_OK(lines);
    Response response = (*lines)->head();
    EXPECT_EQ(response.status, 404);
    auto body = co_await (*lines)->next(kLimit, 1000);
    CO_ASSERT_OK(body);
    response.body = std::move(*body);
    EXPECT_EQ(error_from(response).message, "nothing is at \"/missing\"");
  }
  co_await site.group.join();
}

// A raw connection, whose other end the test plays.
struct Raw {
  explicit Raw(const Executor& executor) : pair(memory_pair(executor)) {}
  Connect connector() {
    return [this] { return take(); };
  }
  Task<Result<std::unique_ptr<Stream>>> take() { co_return std::move(pair.first); }
  StreamPair pair;
};

CO_TEST(HttpLines, LimitsALineAndSilence) {
  const Executor executor = co_await net::this_executor();
  Raw raw(executor);
  Client client(raw.connector(), "h");
  co_await testing::write_text(*raw.pair.second,
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\ncd\r\n");
  auto lines = co_await client.open(get("/"), kLimit);
  CO_ASSERT_OK(lines);
  const auto first = co_await (*lines)->next(30ms, 3);
  CO_ASSERT_OK(first);
  EXPECT_EQ(*first, "ab");
  const auto silence = co_await (*lines)->next(30ms, 3);
  CO_ASSERT_ERROR(silence, Code::kTimeout);
  co_await testing::write_text(*raw.pair.second, "2\r\ne\n\r\n");
  const auto resumed = co_await (*lines)->next(kLimit, 3);
  CO_ASSERT_OK(resumed);
  EXPECT_EQ(*resumed, "cde");
  co_await testing::write_text(*raw.pair.second, "4\r\nabcd\r\n");
  const auto long_line = co_await (*lines)->next(kLimit, 3);
  CO_ASSERT_ERROR(long_line, Code::kLimit);
}

CO_TEST(HttpLines, TellAnEndFromABreak) {
  const Executor executor = co_await net::this_executor();
  Raw raw(executor);
  Client client(raw.connector(), "h");
  co_await testing::write_text(*raw.pair.second, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab\n\r\n");
  auto lines = co_await client.open(get("/"), kLimit);
  CO_ASSERT_OK(lines);
  const auto first = co_await (*lines)->next(kLimit, 10);
  CO_ASSERT_OK(first);
  const auto shut = raw.pair.second->shutdown_send();
  CO_ASSERT_OK(shut);
  const auto cut = co_await (*lines)->next(kLimit, 10);
  CO_ASSERT_ERROR(cut, Code::kIo);
  EXPECT_THAT(cut.error().message, HasSubstr("before the message did"));
}

// What is left of a body, or why there is no more.
Task<Result<std::string>> drain(Pieces& pieces, std::chrono::milliseconds silence) {
  std::string all;
  for (;;) {
    CO_TRY(const std::string piece, co_await pieces.next(silence));
    if (piece.empty()) co_return all;
    all += piece;
  }
}

CO_TEST(HttpPieces, GiveABodyOfAnyLength) {
  Site site(co_await net::this_executor());
  {
    Client client(site.connector(), "site", {.body_bytes = 10});
    auto pieces = co_await client.open_pieces(get("/large"), kLimit);
    CO_ASSERT_OK(pieces);
    EXPECT_EQ((*pieces)->head().status, 200);
    const auto all = co_await drain(**pieces, kLimit);
    CO_ASSERT_OK(all);
    EXPECT_EQ(*all == std::string(100'000, 'x'), true);
    const auto after = co_await (*pieces)->next(kLimit);
    CO_ASSERT_OK(after);
    EXPECT_EQ(*after, "");
  }
  co_await site.group.join();
}

CO_TEST(HttpPieces, TellSilenceAndABreakFromTheEnd) {
  const Executor executor = co_await net::this_executor();
  Raw raw(executor);
  Client client(raw.connector(), "h");
  co_await testing::write_text(*raw.pair.second, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  auto pieces = co_await client.open_pieces(get("/"), kLimit);
  CO_ASSERT_OK(pieces);
  const auto first = co_await (*pieces)->next(kLimit);
  CO_ASSERT_OK(first);
  EXPECT_EQ(*first, "abc");
  const auto silence = co_await (*pieces)->next(30ms);
  CO_ASSERT_ERROR(silence, Code::kTimeout);
  const auto shut = raw.pair.second->shutdown_send();
  CO_ASSERT_OK(shut);
  const auto cut = co_await (*pieces)->next(kLimit);
  CO_ASSERT_ERROR(cut, Code::kIo);
}

}  // namespace
}  // namespace portolan::net::http
