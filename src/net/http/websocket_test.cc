#include "net/http/websocket.h"

#include "net/co_test.h"
#include "net/http/websocket_stream.h"
#include "net/memory_stream.h"
#include "net/test_bytes.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;
using testing::Digest;
using StreamResult = Result<std::unique_ptr<Stream>>;

constexpr std::string_view kPath = "/portolan/link";

Task<> accept_and_note(std::unique_ptr<Stream> below, StreamResult& result) {
  result = co_await accept_websocket(std::move(below), std::string(kPath), 2s);
}

Task<> connect_and_note(std::unique_ptr<Stream> below, StreamResult& result) {
  result = co_await connect_websocket(std::move(below), "gw.example:443", std::string(kPath), 2s);
}

struct Both {
  StreamResult client = fail(Code::kInternal, "not tried");
  StreamResult server = fail(Code::kInternal, "not tried");
};

Task<> shake(StreamPair below, Both& both) {
  TaskGroup group(co_await this_executor());
  group.spawn("client", connect_and_note(std::move(below.first), both.client));
  group.spawn("server", accept_and_note(std::move(below.second), both.server));
  co_await group.join();
}

// All that comes until the end, or until nothing comes any more.
Task<std::string> read_text(Stream& stream) {
  std::string text;
  while (true) {
    auto got = co_await with_timeout(read(stream), 200ms);
    if (!got || got->empty()) co_return text;
    text += as_text(got->data());
  }
}

CO_TEST(WebSocket, CarriesMuchBothWays) {
  for (const std::size_t capacity : {64U * 1024U, 1000U}) {
    Both both;
    co_await shake(memory_pair(co_await this_executor(), capacity), both);
    CO_ASSERT_OK(both.client);
    CO_ASSERT_OK(both.server);
    Digest there, back, there_sent, back_sent;
    TaskGroup group(co_await this_executor());
    group.spawn("there", testing::send_random(**both.client, 2'000'000, 1, there_sent));
    group.spawn("there end", testing::receive_all(**both.server, there));
    group.spawn("back", testing::send_random(**both.server, 2'000'000, 2, back_sent));
    group.spawn("back end", testing::receive_all(**both.client, back));
    co_await group.join();
    EXPECT_EQ(there.size, 2'000'000U);
    EXPECT_EQ(there.hash(), there_sent.hash());
    EXPECT_EQ(back.hash(), back_sent.hash());
  }
}

CO_TEST(WebSocket, EachDirectionEndsForItself) {
  Both both;
  co_await shake(memory_pair(co_await this_executor()), both);
  CO_ASSERT_OK(both.client);
  CO_ASSERT_OK(both.server);
  Stream& client = **both.client;
  Stream& server = **both.server;
  auto done = co_await write(client, as_bytes("ping"));
  CO_ASSERT_OK(done);
  done = co_await finish(client, 1s);
  CO_ASSERT_OK(done);
  CO_ASSERT_ERROR(client.try_write(as_bytes("x")), Code::kInternal);
  auto got = co_await read(server);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "ping");
  got = co_await read(server);
  CO_ASSERT_OK(got);
  EXPECT_TRUE(got->empty());
  done = co_await write(server, as_bytes("pong"));
  CO_ASSERT_OK(done);
  done = co_await finish(server, 1s);
  CO_ASSERT_OK(done);
  both.server->reset();
  got = co_await read(client);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "pong");
  got = co_await read(client);
  CO_ASSERT_OK(got);
  EXPECT_TRUE(got->empty());
  done = co_await finish(client, 1s);
  CO_ASSERT_OK(done);
}

CO_TEST(WebSocket, AStoppedReaderStopsItsWriterAndNobodyHoldsMuch) {
  const auto before = blocks_in_use();
  {
    Both both;
    co_await shake(memory_pair(co_await this_executor(), 1000), both);
    CO_ASSERT_OK(both.client);
    CO_ASSERT_OK(both.server);
    const Bytes much(1'000'000);
    auto accepted = (*both.client)->try_write(much);
    CO_ASSERT_OK(accepted);
    EXPECT_LE(*accepted, 64U * 1024U);
    for (int i = 0; i < 20; ++i) co_await yield_to_loop();
    accepted = (*both.client)->try_write(much);
    CO_ASSERT_OK(accepted);
    EXPECT_EQ(*accepted, 0U);
    EXPECT_LE(blocks_in_use(), before + 5);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

// A peer that speaks bytes of the test's own.
struct Raw {
  std::unique_ptr<Stream> peer;
  std::unique_ptr<Stream> stream;
};
Raw raw(const Executor& executor, WebSocketRole role) {
  auto [a, b] = memory_pair(executor);
  return {std::move(a), std::make_unique<WebSocketStream>(std::move(b), role)};
}

CO_TEST(WebSocket, AnswersPings) {
  auto [peer, stream] = raw(co_await this_executor(), WebSocketRole::kClient);
  auto wrote = co_await write(*peer, *from_hex("890548656c6c6f8900820141"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*stream);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "A");
  const auto text = co_await read_text(*peer);
  FrameReader reader(WebSocketRole::kServer);
  Bytes out(100);
  EXPECT_EQ(text.size(), 2U * 6U + 5U);
  EXPECT_EQ(text[0], '\x8a');
  EXPECT_TRUE(reader.take(as_bytes(text), out));
}

CO_TEST(WebSocket, AFloodOfPingsMakesNobodyTakeMemory) {
  const auto executor = co_await this_executor();
  const auto before = blocks_in_use();
  auto [a, b] = memory_pair(executor, 1000);
  auto stream = std::make_unique<WebSocketStream>(std::move(b), WebSocketRole::kClient);
  const Bytes ping = *from_hex("8900");
  std::string flood;
  for (int i = 0; i < 400; ++i) flood += as_text(ping);
  for (int round = 0; round < 200; ++round) {
    auto accepted = a->try_write(as_bytes(flood));
    CO_ASSERT_OK(accepted);
    auto read = stream->try_read();
    CO_ASSERT_OK(read);
    co_await yield_to_loop();
  }
  EXPECT_LE(blocks_in_use(), before + 4);
}

CO_TEST(WebSocket, WhatEndsIt) {
  struct Case {
    const char* what;
    const char* bytes;  // then the connection ends
    Code code;
  };
  for (const Case& each :
       {Case{"nothing more comes", "820141", Code::kEof}, Case{"within a frame", "82054142", Code::kEof},
        Case{"a close without an end", "82024142880203e9", Code::kEof},
        Case{"a breach", "820141c20141", Code::kProtocol},
        Case{"a huge frame", "827f4000000000000000", Code::kLimit}}) {
    auto [peer, stream] = raw(co_await this_executor(), WebSocketRole::kClient);
    auto wrote = co_await write(*peer, *from_hex(each.bytes));
    CO_ASSERT_OK(wrote);
    auto finished = co_await finish(*peer, 1s);
    CO_ASSERT_OK(finished);
    Result<Buffer> got = Buffer();
    while (got) {
      got = co_await read(*stream);
      if (got && got->empty()) break;
    }
    EXPECT_FALSE(got) << each.what << ": an end that is none";
    if (!got) {
      EXPECT_EQ(got.error().code, each.code) << each.what;
    }
  }
}

// What a server answers to requests that are none of ours.
Task<> expect_answer(std::string request, std::string_view status) {
  auto [client, server] = memory_pair(co_await this_executor());
  StreamResult result = fail(Code::kInternal, "not tried");
  TaskGroup group(co_await this_executor());
  group.spawn("server", accept_and_note(std::move(server), result));
  auto wrote = co_await write(*client, as_bytes(request));
  CO_ASSERT_OK(wrote);
  const auto got = co_await read(*client);
  CO_ASSERT_OK(got);
  const std::string text(as_text(got->data()));
  EXPECT_TRUE(text.starts_with("HTTP/1.1 " + std::string(status) + " ")) << request << "\n" << text;
  client.reset();
  co_await group.join();
  EXPECT_EQ(result.has_value(), status == "101");
}

std::string request(std::string_view more, std::string_view line = "GET /portolan/link HTTP/1.1") {
  return std::string(line) + "\r\nHost: gw\r\n" + std::string(more) + "\r\n";
}

CO_TEST(WebSocket, AServerAnswersOnlyTheUpgradeOfItsPath) {
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string upgrade = "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const std::string good = upgrade + key + version;
  co_await expect_answer(request(good), "101");
  co_await expect_answer(request(good + "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "101");
  co_await expect_answer(request(""), "404");
  co_await expect_answer(request(good, "GET / HTTP/1.1"), "404");
  co_await expect_answer(request(good, "GET /portolan/link/ HTTP/1.1"), "404");
  co_await expect_answer(request(good, "GET /portolan/link?x=1 HTTP/1.1"), "404");
  co_await expect_answer(request(good, "POST /portolan/link HTTP/1.1"), "404");
  co_await expect_answer(request(good, "GET /portolan/link HTTP/1.0"), "404");
  co_await expect_answer(request(good + "Origin: https://evil.example\r\n"), "404");
  co_await expect_answer(request(key + version + "Upgrade: websocket\r\n"), "404");
  co_await expect_answer(request(upgrade + key), "426");
  co_await expect_answer(request(upgrade + key + "Sec-WebSocket-Version: 8\r\n"), "426");
  co_await expect_answer(request(upgrade + version), "400");
  co_await expect_answer(request(upgrade + version + "Sec-WebSocket-Key: AAAA\r\n"), "400");
  co_await expect_answer(request(good + key), "400");
  co_await expect_answer(request(good + "Content-Length: 5\r\n"), "400");
  co_await expect_answer("GET /portolan/link HTTP/1.1\r\n" + good + "\r\n", "400");
  co_await expect_answer("GET /portolan/../link HTTP/1.1\r\nHost: gw\r\n\r\n", "400");
  co_await expect_answer("\x16\x03\x01 what\n\n", "400");
  co_await expect_answer(request(std::string(20'000, 'x') + ": y\r\n"), "431");
}

// RFC 6455 §1.3.
CO_TEST(WebSocket, TheKeyIsAnsweredAsInTheStandard) {
  auto [client, server] = memory_pair(co_await this_executor());
  StreamResult result = fail(Code::kInternal, "not tried");
  TaskGroup group(co_await this_executor());
  group.spawn("server", accept_and_note(std::move(server), result));
  // The first frame comes with the request.
  auto wrote = co_await write(
      *client, as_bytes(request("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")));
  CO_ASSERT_OK(wrote);
  wrote = co_await write(*client, *from_hex("828537fa213d7f9f4d5158"));
  CO_ASSERT_OK(wrote);
  co_await group.join();
  CO_ASSERT_OK(result);
  auto got = co_await read(**result);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "Hello");
  const auto text = co_await read_text(*client);
  EXPECT_TRUE(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")) << text;
}

Task<> expect_refused(std::string answer, std::string_view why) {
  auto [client, server] = memory_pair(co_await this_executor());
  StreamResult result = fail(Code::kInternal, "not tried");
  TaskGroup group(co_await this_executor());
  group.spawn("client", connect_and_note(std::move(client), result));
  auto got = co_await read(*server);
  CO_ASSERT_OK(got);
  auto wrote = co_await write(*server, as_bytes(answer));
  CO_ASSERT_OK(wrote);
  co_await group.join();
  EXPECT_FALSE(result) << answer;
  if (!result) {
    EXPECT_TRUE(result.error().message.contains(why)) << answer << ": " << result.error().message;
  }
}

CO_TEST(WebSocket, AClientTakesNoAnswerButItsOwn) {
  const std::string upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  co_await expect_refused(upgrade + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "another request");
  co_await expect_refused(upgrade + "\r\n", "no websocket");
  co_await expect_refused("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP 200");
  co_await expect_refused("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404");
  co_await expect_refused("HTTP/1.1 100 Continue\r\n\r\n", "HTTP 100");
  co_await expect_refused("SSH-2.0-x\r\n\r\n", "");
}

CO_TEST(WebSocket, WaitsForNoAnswerForLong) {
  auto [client, server] = memory_pair(co_await this_executor());
  auto connected = co_await connect_websocket(std::move(client), "gw", std::string(kPath), 50ms);
  CO_ASSERT_ERROR(connected, Code::kTimeout);
  auto [other, silent] = memory_pair(co_await this_executor());
  auto accepted = co_await accept_websocket(std::move(other), std::string(kPath), 50ms);
  CO_ASSERT_ERROR(accepted, Code::kTimeout);
}

}  // namespace
}  // namespace portolan::net::http
