// Clients that do not keep to the rules: whatever they do, memory stays bounded, the stream or the connection ends with
// a clear error, and no handler sees what it must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/event.h"
#include "net/http/http2_limits.h"
#include "net/http/http2_raw_peer.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using testing::block_of;
using testing::frame;
using testing::get;
using testing::Http2Client;
using testing::Http2Served;
using testing::kPreface;
using testing::post;
using testing::RawPeer;
using testing::RawServed;
using testing::operator+;  // NOLINT(misc-unused-using-decls): found only where both sides are plain bytes

// A server whose handlers count, and wait at the gate if they are told to.
struct Victim {
  explicit Victim(const Executor& executor) : opened(executor) {
    router.add("GET", "/", [this](Call) { return handle(); });
    router.add("POST", "/", [this](Call) { return handle(); });
    router.add("GET", "/gate", [this](Call) { return wait(); });
  }
  Task<Response> handle() {
    ++called;
    co_return Response{200, {}, "x"};
  }
  Task<Response> wait() {
    most = std::max(most, ++waiting);
    const auto let_go = co_await opened.wait(20s);
    --waiting;
    co_return Response{let_go ? 200 : 500, {}, "x"};
  }
  Router router;
  Event opened;
  int called = 0;
  std::size_t waiting = 0, most = 0;
};

Bytes head_of(const FieldList& fields, std::uint32_t id, bool ends = true) {
  const std::uint8_t flags = NGHTTP2_FLAG_END_HEADERS | (ends ? NGHTTP2_FLAG_END_STREAM : 0);
  return frame(NGHTTP2_HEADERS, flags, id, block_of(fields));
}

Bytes times(int n, const Bytes& one) {
  Bytes all;
  for (int i = 0; i < n; ++i) all = std::move(all) + one;
  return all;
}

// With which code the server ends the connection when it is said these bytes.
Task<> say(RawPeer& peer, Bytes bytes) {
  const bool sent = co_await peer.say(std::move(bytes));
  static_cast<void>(sent);
}
Task<std::optional<std::uint32_t>> goaway_to(const Router& router, Bytes bytes) {
  const Executor executor = co_await this_executor();
  RawServed served(executor, router);
  TaskGroup saying(executor);
  saying.spawn("say", say(served.peer, std::move(bytes)));
  const bool told = co_await served.peer.until([&] { return served.peer.goaway.has_value(); });
  static_cast<void>(told);
  saying.cancel();
  co_await saying.join();
  co_await served.leave();
  co_return served.peer.goaway;
}

CO_TEST(HostileHttp2, Garbage) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  for (const std::string& words : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(100'000, '\0'),
                                   std::string(kPreface.substr(0, 20)) + "xxxx"}) {
    testing::Served served(executor, victim.router, {}, Http2Served::with_alpn({"p"}));
    co_await testing::write_text(*served.client, words);
    const auto rest = co_await testing::read_all(*served.client);
    static_cast<void>(rest);
    co_await served.leave();
  }
  testing::Served half(executor, victim.router, {}, Http2Served::with_alpn({"p"}));
  const auto nothing = co_await half.talk(std::string(kPreface.substr(0, 10)));
  static_cast<void>(nothing);
  co_await half.leave();
  EXPECT_EQ(victim.called, 0);
}

CO_TEST(HostileHttp2, FramesThatBreakTheRules) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  const Bytes four(4);
  const Bytes head = head_of(get("/"), 1);
  struct Case {
    Bytes bytes;
    std::uint32_t code;
  };
  for (const Case& each : {Case{frame(NGHTTP2_PUSH_PROMISE, 4, 1, four), NGHTTP2_PROTOCOL_ERROR},
                           Case{frame(NGHTTP2_SETTINGS, 0, 0, four), NGHTTP2_FRAME_SIZE_ERROR},
                           Case{frame(NGHTTP2_DATA, 0, 1, four), NGHTTP2_PROTOCOL_ERROR},
                           Case{frame(NGHTTP2_DATA, 0, 1, Bytes(20'000)), NGHTTP2_FRAME_SIZE_ERROR},
                           Case{frame(NGHTTP2_WINDOW_UPDATE, 0, 0, four), NGHTTP2_PROTOCOL_ERROR},
                           Case{frame(NGHTTP2_HEADERS, 4, 1, Bytes(4, std::byte{0xff})), NGHTTP2_COMPRESSION_ERROR},
                           Case{head_of(get("/"), 2), NGHTTP2_PROTOCOL_ERROR},
                           Case{frame(NGHTTP2_HEADERS, 0, 1, block_of(get("/"))) + frame(NGHTTP2_PING, 0, 0, Bytes(8)),
                                NGHTTP2_PROTOCOL_ERROR},
                           Case{frame(NGHTTP2_CONTINUATION, 4, 1, four), NGHTTP2_PROTOCOL_ERROR}}) {
    const auto code = co_await goaway_to(victim.router, each.bytes);
    CO_ASSERT_TRUE(code.has_value());
    EXPECT_EQ(*code, each.code) << nghttp2_http2_strerror(*code);
  }
  EXPECT_EQ(victim.called, 0);
}

// Each in a stream of its own of one connection, which goes on; no handler sees one of them.
CO_TEST(HostileHttp2, MalformedRequests) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  Http2Served served(executor, victim.router);
  auto& client = served.client;
  const auto without = [](std::string_view name) {
    auto fields = get("/");
    std::erase_if(fields, [name](const auto& field) { return field.first == name; });
    return fields;
  };
  const std::vector<FieldList> heads = {
      without(":method"),
      without(":scheme"),
      without(":path"),
      without(":authority"),
      get("/", {{":path", "/"}}),
      get("/", {{"x", "y"}, {":method", "GET"}}),
      get("/", {{":status", "200"}}),
      get("/", {{":protocol", "websocket"}}),
      get("/", {{"connection", "close"}}),
      get("/", {{"transfer-encoding", "chunked"}}),
      get("/", {{"upgrade", "h2c"}}),
      get("/", {{"te", "gzip"}}),
      get("/", {{"x y", "z"}}),
      get("/", {{"x", "y\r\nz: 1"}}),
      get("/", {{"content-length", "1"}}),
      get("/", {{"content-length", "x"}}),
      get("/", {{"content-length", "0"}, {"content-length", "0"}}),
      get("/", {{"authorization", "a"}, {"authorization", "b"}}),
      get("/", {{"host", "other"}}),
      get("*"),
      get("https://h/"),
      {{":method", "CONNECT"}, {":authority", "h:1"}},
      {{":method", "GET"}, {":scheme", "https"}, {":authority", "h, i"}, {":path", "/"}},
  };
  for (const FieldList& head : heads) {
    const auto answer = co_await client.ask(head);
    EXPECT_TRUE(answer.status() == 400 || answer.reset == NGHTTP2_PROTOCOL_ERROR)
        << head.back().first << " " << head.back().second << " " << answer.status();
  }
  const auto id = client.upload(post("/", {{"content-length", "2"}}), "abc");
  const bool over = co_await client.until([&] { return client.answers[id].over(); });
  EXPECT_TRUE(over);
  EXPECT_EQ(client.answers[id].reset, NGHTTP2_PROTOCOL_ERROR);
  const auto shorter = client.upload(post("/", {{"content-length", "4"}}), "abc");
  const bool ended = co_await client.until([&] { return client.answers[shorter].over(); });
  EXPECT_TRUE(ended);
  EXPECT_EQ(client.answers[shorter].reset, NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(victim.called, 0);
  const auto good = co_await client.ask(get("/"));
  EXPECT_EQ(good.status(), 200);
  EXPECT_EQ(victim.called, 1);
  co_await served.leave();
}

// What a client's library would not let through.
CO_TEST(HostileHttp2, HeadersThatAreNone) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  RawServed served(executor, victim.router);
  auto& peer = served.peer;
  std::uint32_t id = 1;
  for (const FieldList& more :
       {FieldList{{"X-Upper", "y"}}, FieldList{{"x y", "z"}}, FieldList{{"", "z"}}, FieldList{{"x", " y"}},
        FieldList{{"x", "y\r\nz: 1"}}, FieldList{{"x", std::string("y\0", 2)}}}) {
    const bool sent = co_await peer.say(head_of(get("/", more), id));
    EXPECT_TRUE(sent);
    const bool over = co_await peer.until([&] { return peer.answers[id].over(); });
    EXPECT_TRUE(over);
    EXPECT_TRUE(peer.answers[id].status() == 400 || peer.answers[id].reset == NGHTTP2_PROTOCOL_ERROR) << more[0].first;
    id += 2;
  }
  EXPECT_EQ(victim.called, 0);
  co_await served.leave();
}

CO_TEST(HostileHttp2, LargeHeads) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  Http2Served served(executor, victim.router, {.limits = {.header_bytes = 4000, .header_count = 20}});
  FieldList many;
  for (int i = 0; i < 40; ++i) many.emplace_back("x-" + std::to_string(i), "y");
  for (const FieldList& more : {FieldList{{"x", std::string(5000, 'y')}}, many}) {
    const auto answer = co_await served.client.ask(get("/", more));
    EXPECT_EQ(answer.status(), 431);
  }
  EXPECT_EQ(victim.called, 0);
  co_await served.leave();
}

// Heads that are small on the wire and large when they are unpacked (RFC 7541's table): only so many are kept at once.
CO_TEST(HostileHttp2, HeadsThatSwell) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  Http2Served served(executor, victim.router);
  auto& client = served.client;
  FieldList more;
  for (int i = 0; i < 9; ++i) more.emplace_back("x", std::string(3'000, 'y'));
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 90; ++i) ids.push_back(client.request(get("/gate", more)));
  co_await client.linger(200);
  EXPECT_LE(victim.most * 27'000, kHeads);
  EXPECT_GE(victim.most, 30U);
  victim.opened.set();
  std::size_t answered = 0, refused = 0;
  for (const auto id : ids) {
    const bool over = co_await client.until([&] { return client.answers[id].over(); });
    EXPECT_TRUE(over);
    answered += client.answers[id].status() == 200 ? 1 : 0;
    refused += client.answers[id].reset == NGHTTP2_REFUSED_STREAM ? 1 : 0;
  }
  EXPECT_EQ(answered, victim.most);
  EXPECT_EQ(answered + refused, 90U);
  co_await served.leave();
}

// HEADERS and RST_STREAM, again and again (CVE-2023-44487): the handlers that still run are counted, and in the end
// there is no more patience.
CO_TEST(HostileHttp2, RapidResets) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  Http2Served served(executor, victim.router, {.concurrent_requests = 10});
  auto& client = served.client;
  int sent = 0;
  for (; sent < 2'000 && !client.goaway; ++sent) {
    const auto id = client.request(get("/gate"));
    co_await client.linger(2);
    client.reset(id);
  }
  victim.opened.set();
  co_await served.ended();
  EXPECT_EQ(client.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_GE(sent, 400);
  EXPECT_LE(sent, 1'000);
  EXPECT_LE(victim.most, 20U);
}

// The same, by breaking a rule of the stream so that the server is the one who resets.
CO_TEST(HostileHttp2, MakesTheServerReset) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  RawServed served(executor, victim.router, {.concurrent_requests = 10});
  const Bytes much = {std::byte{0x7f}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};  // overflows the window
  std::uint32_t id = 1;
  for (; id < 4'000 && !served.peer.goaway; id += 2) {
    const bool sent = co_await served.peer.say(head_of(get("/gate"), id) + frame(NGHTTP2_WINDOW_UPDATE, 0, id, much));
    if (!sent) break;
    co_await served.peer.linger(3);
  }
  victim.opened.set();
  co_await served.ended();
  EXPECT_EQ(served.peer.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_LE(id, 2'000U);
  EXPECT_LE(victim.most, 20U);
}

// Frames that ask for nothing, from a client that reads what they are answered.
CO_TEST(HostileHttp2, Floods) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  const Bytes upload = head_of(post("/"), 1, false);
  Bytes increment(4);
  increment[3] = std::byte{1};
  const Bytes floods[] = {frame(NGHTTP2_PING, 0, 0, Bytes(8)), frame(NGHTTP2_SETTINGS, 0, 0),
                          frame(NGHTTP2_PRIORITY, 0, 99, Bytes(5, std::byte{1})),
                          frame(NGHTTP2_WINDOW_UPDATE, 0, 0, increment), frame(NGHTTP2_DATA, 0, 1)};
  for (const Bytes& one : floods) {
    RawServed served(executor, victim.router);
    auto& peer = served.peer;
    const bool begun = co_await peer.say(upload);
    EXPECT_TRUE(begun);
    const Bytes hundred = times(100, one);
    int sent = 0;
    for (; sent < 50 && !peer.goaway; ++sent) {
      const bool taken = co_await peer.say(hundred);
      if (!taken) break;
      co_await peer.linger(5);
    }
    EXPECT_GE(sent, 9);
    EXPECT_LE(sent, 15) << "type " << static_cast<int>(one[3]);
    EXPECT_EQ(peer.goaway, NGHTTP2_ENHANCE_YOUR_CALM) << "type " << static_cast<int>(one[3]);
    co_await served.leave();
  }
}

CO_TEST(HostileHttp2, FloodOfContinuations) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  const Bytes flood = frame(NGHTTP2_HEADERS, 0, 1) + times(5'000, frame(NGHTTP2_CONTINUATION, 0, 1));
  const auto code = co_await goaway_to(victim.router, flood);
  EXPECT_TRUE(code.has_value());
}

// It makes us talk and never reads: it is not read from any more, and at the end of its time it goes.
CO_TEST(HostileHttp2, NeverReads) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  testing::Served served(executor, victim.router, {.write_timeout = 500ms}, Http2Served::with_alpn({"p"}), 4096);
  co_await testing::write_text(*served.client, std::string(kPreface));
  const Bytes settings = frame(NGHTTP2_SETTINGS, 0, 0);
  auto sent = co_await write(*served.client, settings);
  std::size_t most = 0, streams = 0;
  for (std::uint32_t id = 1; sent && id < 200'000; id += 2) {
    sent = co_await write(*served.client, head_of(get("/"), id));
    most = std::max(most, blocks_in_use());
    streams += sent ? 1 : 0;
  }
  // How many get through until the write time-out depends on the machine; what they hold does not.
  EXPECT_FALSE(sent);
  EXPECT_LT(streams, 90'000U);
  EXPECT_LE(most * kBlockSize, 1024U * 1024);
  co_await served.leave();
}

// Uploads that never come to their end hold no more than their share, also from a client that has not heeded our
// settings.
CO_TEST(HostileHttp2, UploadsWithoutAnEnd) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  RawServed served(executor, victim.router, {.body_timeout = 30ms});
  auto& peer = served.peer;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const std::uint32_t id = 2 * i + 1;
    const bool sent =
        co_await peer.say(head_of(post("/"), id, false) + times(4, frame(NGHTTP2_DATA, 0, id, Bytes(15'000))));
    EXPECT_TRUE(sent);
    co_await peer.linger(3);
  }
  std::size_t shed = 0, late = 0;
  for (std::uint32_t id = 1; id < 200; id += 2) {
    const bool over = co_await peer.until([&] { return peer.answers[id].over(); });
    EXPECT_TRUE(over);
    shed += peer.answers[id].reset == NGHTTP2_REFUSED_STREAM ? 1 : 0;
    late += peer.answers[id].status() == 408 ? 1 : 0;
  }
  EXPECT_EQ(shed + late, 100U);
  EXPECT_GE(shed, 60U);
  EXPECT_GE(late, 10U);
  EXPECT_EQ(victim.called, 0);
  co_await served.leave();
}

// More than its window allows, once it knows it.
CO_TEST(HostileHttp2, OverrunsItsWindow) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  RawServed served(executor, victim.router);
  auto& peer = served.peer;
  const Bytes acknowledged = frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0);
  const Bytes head = head_of(post("/", {{"content-length", "8000"}}), 1, false);
  const bool greeted = co_await peer.say({});
  co_await peer.linger(5);
  const bool sent = co_await peer.say(acknowledged + head + times(3, frame(NGHTTP2_DATA, 0, 1, Bytes(4'000))));
  EXPECT_TRUE(greeted && sent);
  co_await peer.linger();
  EXPECT_EQ(peer.answers[1].reset, NGHTTP2_FLOW_CONTROL_ERROR);
  EXPECT_EQ(victim.called, 0);
  co_await served.leave();
}

CO_TEST(HostileHttp2, OpensMoreStreamsThanItMay) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  for (const bool acknowledges : {false, true}) {
    RawServed served(executor, victim.router, {.concurrent_requests = 10});
    auto& peer = served.peer;
    const bool greeted = co_await peer.say({});
    co_await peer.linger(5);
    Bytes bytes = acknowledges ? frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0) : Bytes();
    for (std::uint32_t i = 0; i < 20; ++i) bytes = std::move(bytes) + head_of(get("/gate"), 2 * i + 1);
    const bool sent = co_await peer.say(bytes);
    EXPECT_TRUE(greeted && sent);
    co_await peer.linger();
    if (acknowledges)
      EXPECT_EQ(peer.goaway, NGHTTP2_PROTOCOL_ERROR);
    else
      EXPECT_EQ(peer.answers[21].reset, NGHTTP2_REFUSED_STREAM);
    victim.opened.set();
    co_await served.leave();
  }
  EXPECT_LE(victim.most, 10U);
}

// Whole answers that nobody takes in: handlers start only while there is room for more.
CO_TEST(HostileHttp2, AsksForMuchAndReadsNothing) {
  const Executor executor = co_await this_executor();
  int made = 0;
  Router router;
  router.add("GET", "/", [&made](Call) -> Task<Response> {
    ++made;
    co_return Response{200, {}, std::string(1024 * 1024, 'x')};
  });
  Http2Served served(executor, router, {.write_timeout = 300ms}, {}, Http2Client::Windows::kShut);
  auto& client = served.client;
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 10; ++i) {
    ids.push_back(client.request(get("/")));
    co_await client.linger(20);
  }
  EXPECT_EQ(made, 5);
  for (const auto id : ids) {
    const bool over = co_await client.until([&] { return client.answers[id].over(); });
    EXPECT_TRUE(over);
    EXPECT_EQ(client.answers[id].reset, NGHTTP2_CANCEL);
  }
  co_await served.leave();
}

CO_TEST(HostileHttp2, GoesAwayInTheMiddle) {
  const Executor executor = co_await this_executor();
  Victim victim(executor);
  const Bytes bytes = head_of(post("/", {{"content-length", "9"}}), 1, false) + frame(NGHTTP2_DATA, 0, 1, Bytes(5)) +
                      head_of(get("/gate"), 3) + frame(NGHTTP2_HEADERS, 0, 5, block_of(get("/")));
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 7) {
    RawServed served(executor, victim.router);
    const bool sent = co_await served.peer.say(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut)));
    EXPECT_TRUE(sent);
    co_await served.peer.linger(5);
    served.peer.leave();
    victim.opened.set();
    for (int i = 0; i < 10; ++i) co_await yield_to_loop();
    victim.opened.set();
    co_await served.served.group.join();
  }
  EXPECT_EQ(victim.called, 0);
}

}  // namespace
}  // namespace portolan::net::http
