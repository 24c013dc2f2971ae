#include "net/http/http2_client.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/http/http2_raw_peer.h"

namespace portolan::net::http {
namespace {

using testing::block_of;
using testing::frame;
using testing::operator+;

FieldPairs asked(std::string method = "GET", std::string path = "/") {
  return {{":method", std::move(method)}, {":scheme", "https"}, {":authority", "h"}, {":path", std::move(path)}};
}

std::string status_of(const FieldPairs& head) { return head.empty() ? "" : head.front().second; }

// All of the answer's body.
Task<Result<std::string>> all_of(net::http::Http2Client& client) {
  std::string out;
  while (true) {
    CO_TRY(const std::string_view piece, co_await client.body());
    if (piece.empty()) co_return out;
    out += piece;
  }
}

Task<Response> echo(Call call) {
  co_return Response{200, {{"x-path", call.request.path}}, call.request.method + " " + call.request.body};
}

Task<Result<>> much(Call, Sink& sink) {
  CO_CHECK(co_await sink.begin({}));
  const std::string piece(50'000, 'x');
  for (int i = 0; i < 60; ++i) {
    CO_CHECK(co_await sink.send(piece));
  }
  co_return Result<>{};
}

// Our own server, and the client at it.
struct Real {
  explicit Real(const Executor& executor) : group(executor) {
    router.add("GET", "/", echo);
    router.add("POST", "/", echo);
    router.add_stream("GET", "/much", much);
    auto [ours, theirs] = memory_pair(executor);
    client = std::make_unique<net::http::Http2Client>(std::move(ours));
    Connection connection{"10.0.0.1"};
    connection.alpn = "h2";
    group.spawn("server", serve_connection(std::move(theirs), std::move(connection), router, options));
  }
  Router router;
  ServerOptions options;
  std::unique_ptr<net::http::Http2Client> client;
  TaskGroup group;
};

CO_TEST(Http2Client, RequestsOneAfterAnother) {
  Real real(co_await this_executor());
  net::http::Http2Client& client = *real.client;
  for (int i = 0; i < 5; ++i) {
    CO_ASSERT_TRUE(client.usable());
    CO_ASSERT_OK(client.request(asked(), net::http::Http2Client::Body::kNone));
    EXPECT_FALSE(client.usable());
    const auto head = co_await client.head();
    CO_ASSERT_OK(head);
    EXPECT_EQ(status_of(*head), "200");
    const auto body = co_await all_of(client);
    CO_ASSERT_OK(body);
    EXPECT_EQ(*body, "GET ");
    EXPECT_TRUE(client.ended());
  }
  real.client.reset();
  co_await real.group.join();
}

CO_TEST(Http2Client, BodiesBothWays) {
  Real real(co_await this_executor());
  net::http::Http2Client& client = *real.client;
  CO_ASSERT_OK(client.request(asked("POST"), net::http::Http2Client::Body::kFollows));
  const std::string piece(100'000, 'p');
  for (int i = 0; i < 5; ++i) {
    const auto sent = co_await client.send(piece);
    CO_ASSERT_OK(sent);
  }
  const auto ended = co_await client.end({});
  CO_ASSERT_OK(ended);
  auto head = co_await client.head();
  CO_ASSERT_OK(head);
  auto body = co_await all_of(client);
  CO_ASSERT_OK(body);
  EXPECT_EQ(body->size(), 5 + 5 * piece.size());
  CO_ASSERT_TRUE(client.usable());
  CO_ASSERT_OK(client.request(asked("GET", "/much"), net::http::Http2Client::Body::kNone));
  head = co_await client.head();
  CO_ASSERT_OK(head);
  body = co_await all_of(client);
  CO_ASSERT_OK(body);
  EXPECT_EQ(body->size(), 3'000'000U);
  real.client.reset();
  co_await real.group.join();
}

// A server that writes what it is told to.
struct Raw {
  explicit Raw(const Executor& executor, Http2ClientLimits limits = {}) {
    auto [ours, theirs] = memory_pair(executor, 1024 * 1024);
    client = std::make_unique<net::http::Http2Client>(std::move(ours), limits);
    server = std::move(theirs);
  }
  Task<> say(Bytes bytes) {
    const auto written = co_await write(*server, bytes);
    static_cast<void>(written);
  }
  std::unique_ptr<net::http::Http2Client> client;
  std::unique_ptr<Stream> server;
};

constexpr std::uint8_t kEndHeaders = NGHTTP2_FLAG_END_HEADERS;
constexpr std::uint8_t kEnds = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM;

Bytes head_frame(const FieldList& fields, std::uint8_t flags = kEndHeaders) {
  return frame(NGHTTP2_HEADERS, flags, 1, block_of(fields));
}
Bytes data_frame(std::string_view text, std::uint8_t flags = 0) {
  return frame(NGHTTP2_DATA, flags, 1, as_bytes(text));
}

CO_TEST(Http2Client, InterimAnswersAndTrailers) {
  Raw raw(co_await this_executor());
  CO_ASSERT_OK(raw.client->request(asked(), net::http::Http2Client::Body::kNone));
  co_await raw.say(frame(NGHTTP2_SETTINGS, 0, 0) + head_frame({{":status", "103"}, {"link", "x"}}) +
                   head_frame({{":status", "200"}}) + data_frame("hello") + head_frame({{"grpc-status", "0"}}, kEnds));
  auto head = co_await raw.client->head();
  CO_ASSERT_OK(head);
  EXPECT_EQ(status_of(*head), "103");
  head = co_await raw.client->head();
  CO_ASSERT_OK(head);
  EXPECT_EQ(status_of(*head), "200");
  const auto body = co_await all_of(*raw.client);
  CO_ASSERT_OK(body);
  EXPECT_EQ(*body, "hello");
  EXPECT_EQ(raw.client->trailers(), (FieldPairs{{"grpc-status", "0"}}));
  EXPECT_TRUE(raw.client->usable());
}

CO_TEST(Http2Client, ServersThatBreakTheRules) {
  const auto executor = co_await this_executor();
  const auto settings = frame(NGHTTP2_SETTINGS, 0, 0);
  const auto ok = head_frame({{":status", "200"}});
  Bytes interim;
  for (int i = 0; i < 20; ++i) interim = interim + head_frame({{":status", "102"}});
  Bytes idle;
  for (int i = 0; i < 6000; ++i)
    idle = idle + frame(NGHTTP2_WINDOW_UPDATE, 0, 0, as_bytes(std::string_view("\0\0\0\1", 4)));
  const std::pair<const char*, Bytes> cases[] = {
      {"no HTTP/2",
       [] {
         const auto text = as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n");
         return Bytes(text.begin(), text.end());
       }()},
      {"no status", settings + head_frame({{"x", "y"}}, kEnds)},
      {"a status of words", settings + head_frame({{":status", "ok"}}, kEnds)},
      {"a body before the head", settings + data_frame("x")},
      {"a second head", settings + ok + head_frame({{":status", "200"}}, kEnds)},
      {"trailers that do not end", settings + ok + head_frame({{"x", "y"}})},
      {"a name in capitals", settings + head_frame({{":status", "200"}, {"X-Y", "z"}}, kEnds)},
      {"a name with a colon", settings + head_frame({{":status", "200"}, {"x:y", "z"}}, kEnds)},
      {"a malformed trailer", settings + ok + data_frame("x") + head_frame({{"x", "a\nb"}}, kEnds)},
      {"a line break in a value", settings + head_frame({{":status", "200"}, {"x", "a\r\nb"}}, kEnds)},
      {"a field of the connection",
       settings + head_frame({{":status", "200"}, {"transfer-encoding", "chunked"}}, kEnds)},
      {"less than its length",
       settings + head_frame({{":status", "200"}, {"content-length", "9"}}) + data_frame("x", NGHTTP2_FLAG_END_STREAM)},
      {"too many interim answers", settings + interim + ok},
      {"frames for nothing", settings + idle + ok},
      {"a stream of its own", settings + frame(NGHTTP2_HEADERS, kEnds, 2, block_of({{":status", "200"}}))}};
  for (const auto& [what, bytes] : cases) {
    Raw raw(executor);
    CO_ASSERT_OK(raw.client->request(asked(), net::http::Http2Client::Body::kNone));
    co_await raw.say(bytes);
    CO_ASSERT_OK(raw.server->shutdown_send());
    Result<std::string> all = std::string();
    auto head = co_await raw.client->head();
    while (head && status_of(*head).starts_with('1')) head = co_await raw.client->head();
    if (head) all = co_await all_of(*raw.client);
    const Code code = !head ? head.error().code : !all ? all.error().code : Code::kInternal;
    EXPECT_EQ(code, Code::kProtocol) << what;
    EXPECT_FALSE(raw.client->usable()) << what;
  }
}

CO_TEST(Http2Client, FramesOfNoKnownKindAreLimited) {
  Raw raw(co_await this_executor(), {.idle_bytes = 10'000});
  CO_ASSERT_OK(raw.client->request(asked(), net::http::Http2Client::Body::kNone));
  Bytes many = frame(NGHTTP2_SETTINGS, 0, 0);
  for (int i = 0; i < 200; ++i)
    many = many + frame(0xfa, 0, 1, as_bytes(std::string_view("nobody knows what this is meant to be")));
  co_await raw.say(many + many + many);
  const auto head = co_await raw.client->head();
  CO_ASSERT_ERROR(head, Code::kProtocol);
  EXPECT_FALSE(raw.client->usable());
}

CO_TEST(Http2Client, HeadsAreLimited) {
  Raw raw(co_await this_executor(), {.header_bytes = 1000});
  CO_ASSERT_OK(raw.client->request(asked(), net::http::Http2Client::Body::kNone));
  co_await raw.say(frame(NGHTTP2_SETTINGS, 0, 0) +
                   head_frame({{":status", "200"}, {"x", std::string(2000, 'a')}}, kEnds));
  const auto head = co_await raw.client->head();
  CO_ASSERT_ERROR(head, Code::kLimit);
  EXPECT_FALSE(raw.client->usable());
}

CO_TEST(Http2Client, SaysWhatMayBeAskedAgain) {
  Raw raw(co_await this_executor());
  CO_ASSERT_OK(raw.client->request(asked(), net::http::Http2Client::Body::kNone));
  co_await raw.say(frame(NGHTTP2_SETTINGS, 0, 0) +
                   frame(NGHTTP2_RST_STREAM, 0, 1, as_bytes(std::string_view("\0\0\0\7", 4))));
  const auto head = co_await raw.client->head();
  EXPECT_EQ(head.error().reason, "refused_stream");
  EXPECT_TRUE(raw.client->usable());
  // A goodbye: what was answered counts, and nothing more is asked.
  co_await raw.say(frame(NGHTTP2_GOAWAY, 0, 0, as_bytes(std::string_view("\0\0\0\1\0\0\0\0", 8))));
  for (int turn = 0; turn < 100 && raw.client->usable(); ++turn) co_await yield_to_loop();
  EXPECT_FALSE(raw.client->usable());
}

CO_TEST(Http2Client, AServerThatGoesIsNoticed) {
  Raw raw(co_await this_executor());
  CO_ASSERT_OK(raw.client->request(asked(), net::http::Http2Client::Body::kNone));
  co_await raw.say(frame(NGHTTP2_SETTINGS, 0, 0) + head_frame({{":status", "200"}}) + data_frame("part"));
  auto head = co_await raw.client->head();
  CO_ASSERT_OK(head);
  raw.server.reset();
  const auto body = co_await all_of(*raw.client);
  EXPECT_FALSE(body);
}

}  // namespace
}  // namespace portolan::net::http
