// Peers that do not keep to the rules: raw bytes and raw HTTP/2 against an acceptor's mux. Whatever they do, memory
// stays bounded, the link or the stream ends with a clear error, and nothing else happens.
#include <gtest/gtest.h>

#include "tunnel/mux_hostile.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

CO_TEST(HostilePeer, Garbage) {
  const net::Executor executor = co_await net::this_executor();
  for (const std::string& words : {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(1'000, '\0'),
                                   std::string("\x16\x03\x01\x02", 4)}) {
    Victim victim(executor);
    victim.tasks.spawn("swallow", swallow(*victim.peer));
    const auto sent = co_await net::write(*victim.peer, as_bytes(words));
    CO_ASSERT_OK(sent);
    const Error end = co_await victim.mux.ended();
    EXPECT_EQ(end.code, Code::kProtocol) << end.message;
    co_await victim.tasks.join();
  }
}

CO_TEST(HostilePeer, EndsInTheMiddleOfAFrame) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor);
  const auto sent = co_await net::write(*victim.peer, as_bytes(kMagic.substr(0, 10)));
  const auto shut = victim.peer->shutdown_send();
  CO_ASSERT_TRUE(sent && shut);
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kEof);
}

CO_TEST(HostilePeer, FramesThatBreakTheRules) {
  const net::Executor executor = co_await net::this_executor();
  const Bytes four(4);
  const Bytes large(20'000);
  const Bytes pushed = frame(NGHTTP2_PUSH_PROMISE, 4, 1, four);
  const Bytes bad_settings = frame(NGHTTP2_SETTINGS, 0, 0, four);
  const Bytes idle_data = frame(NGHTTP2_DATA, 0, 1, four);
  const Bytes too_large = frame(NGHTTP2_DATA, 0, 1, large);
  const Bytes no_increment = frame(NGHTTP2_WINDOW_UPDATE, 0, 0, four);
  const Bytes bad_block = frame(NGHTTP2_HEADERS, 4, 1, Bytes(4, std::byte{0xff}));
  for (const Bytes& bytes : {pushed, bad_settings, idle_data, too_large, no_increment, bad_block}) {
    Victim victim(executor);
    const Error end = co_await victim.fed_with(bytes);
    EXPECT_EQ(end.code, Code::kProtocol) << end.message;
    EXPECT_TRUE(victim.mux.requests.empty());
  }
}

CO_TEST(HostilePeer, IgnoresUnknownFrames) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor);
  victim.tasks.spawn("swallow", swallow(*victim.peer));
  Bytes bytes(as_bytes(kMagic).begin(), as_bytes(kMagic).end());
  for (const Bytes& one :
       {frame(NGHTTP2_SETTINGS, 0, 0), frame(0x55, 0xff, 0, Bytes(100)), frame(0x77, 0, 99, Bytes(1))})
    bytes.insert(bytes.end(), one.begin(), one.end());
  const auto sent = co_await net::write(*victim.peer, bytes);
  CO_ASSERT_OK(sent);
  for (int i = 0; i < 30; ++i) co_await net::yield_to_loop();
  EXPECT_FALSE(victim.mux.end.has_value());
  victim.tasks.cancel();
  co_await victim.tasks.join();
}

// HEADERS and RST_STREAM, again and again (CVE-2023-44487).
CO_TEST(HostilePeer, RapidResets) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor);
  RawClient client(std::move(victim.peer));
  Fields fields(":method", "CONNECT");
  fields.add(":authority", "n-test");
  int sent = 0;
  for (; sent < 3'000 && !victim.mux.end; ++sent) {
    const std::int32_t id = client.request(fields);
    const std::uint8_t* data = nullptr;
    ssize_t n = nghttp2_session_mem_send(client.session, &data);
    while (n > 0) {
      const auto written =
          co_await net::write(*client.below, {reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(n)});
      if (!written) break;
      n = nghttp2_session_mem_send(client.session, &data);
    }
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    victim.mux.requests.clear();
  }
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kLimit) << end.message;
  EXPECT_GE(sent, 1'000);
  EXPECT_LE(sent, 2'500);
}

// It makes us talk, and never reads. The most blocks in use meanwhile.
net::Task<std::size_t> ask_without_reading(Victim& victim) {
  const auto magic = co_await net::write(*victim.peer, as_bytes(kMagic));
  const auto greeted = co_await net::write(*victim.peer, frame(NGHTTP2_SETTINGS, 0, 0));
  EXPECT_TRUE(magic && greeted);
  const Bytes request = packed_request();
  std::size_t most = 0;
  std::uint32_t id = 1;
  for (int i = 0; i < 2'000 && !victim.mux.end; ++i) {
    Bytes requests;
    for (int n = 0; n < 100; ++n, id += 2) {
      const Bytes one = frame(NGHTTP2_HEADERS, 4, id, request);
      requests.insert(requests.end(), one.begin(), one.end());
    }
    const auto sent = co_await net::write(*victim.peer, requests);
    if (!sent) break;
    most = std::max(most, net::blocks_in_use());
    for (int turn = 0; turn < 3; ++turn) {
      co_await net::yield_to_loop();
      victim.mux.requests.clear();  // each is refused, in words
    }
  }
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kLimit) << end.message;
  EXPECT_NE(end.message.find("takes nothing in"), std::string::npos) << end.message;
  co_return most;
}

CO_TEST(HostilePeer, NeverReads) {
  Victim victim(co_await net::this_executor());
  const std::size_t most = co_await ask_without_reading(victim);
  EXPECT_LE(most * net::kBlockSize, 9U * 1024 * 1024);
}

// By many links at a time: each ends earlier.
CO_TEST(HostilePeer, NeverReadsWhereTheBudgetIsSpent) {
  const auto account = std::make_shared<Budget>(Budget{.limit = 1'000'000});
  {
    Victim victim(co_await net::this_executor(), MuxOptions{.shared = account});
    const std::size_t most = co_await ask_without_reading(victim);
    EXPECT_LE(most * net::kBlockSize, 2U * 1024 * 1024);
    EXPECT_GE(account->used, 500'000U);
  }
  EXPECT_EQ(account->used, 0U);
}

CO_TEST(HostilePeer, FloodOfContinuations) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor);
  Bytes flood = frame(NGHTTP2_HEADERS, 0, 1);
  for (int i = 0; i < 20; ++i) {
    const Bytes one = frame(NGHTTP2_CONTINUATION, 0, 1);
    flood.insert(flood.end(), one.begin(), one.end());
  }
  const Error end = co_await victim.fed_with(flood);
  EXPECT_EQ(end.code, Code::kProtocol) << end.message;
}

// More than the stream's window without credit: that stream is reset, the budget is never the first line of defence.
CO_TEST(HostilePeer, OverrunsAWindow) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor, MuxOptions{.stream_window = 65'535, .connection_window = 65'535});
  victim.tasks.spawn("swallow", swallow(*victim.peer));
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_deflate_new(&deflater, 4'096);
  Fields fields(":method", "CONNECT");
  fields.add(":authority", "n-test");
  std::array<std::uint8_t, 256> block{};
  const ssize_t size = nghttp2_hd_deflate_hd(deflater, block.data(), block.size(), fields.data(), fields.size());
  nghttp2_hd_deflate_del(deflater);
  const Bytes open =
      frame(NGHTTP2_HEADERS, 4, 1, {reinterpret_cast<const std::byte*>(block.data()), static_cast<std::size_t>(size)});
  const Bytes settings = frame(NGHTTP2_SETTINGS, 0, 0);
  const Bytes data = frame(NGHTTP2_DATA, 0, 1, Bytes(16'000));
  Bytes bytes(as_bytes(kMagic).begin(), as_bytes(kMagic).end());
  for (const Bytes& one : {settings, open}) bytes.insert(bytes.end(), one.begin(), one.end());
  for (int i = 0; i < 50; ++i) bytes.insert(bytes.end(), data.begin(), data.end());
  const auto sent = co_await net::write(*victim.peer, bytes);
  CO_ASSERT_OK(sent);
  const auto request = co_await victim.mux.next();
  co_await net::yield_to_loop();
  EXPECT_LE(victim.mux.mux->buffered(), 65'535U + 16'000U);
  const auto stream = request->accept();
  const auto all = co_await read_all(*stream);
  CO_ASSERT_ERROR(all, Code::kProtocol);
  EXPECT_EQ(victim.mux.mux->open_streams(), 0U);
  EXPECT_FALSE(victim.mux.end.has_value());
  victim.tasks.cancel();
  co_await victim.tasks.join();
}

CO_TEST(HostilePeer, OpensMoreStreamsThanItMay) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor, MuxOptions{.max_streams = 10});
  RawClient client(std::move(victim.peer));
  co_await client.exchange();  // it has acknowledged the settings
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_deflate_new(&deflater, 0);
  Fields fields(":method", "CONNECT");
  fields.add(":authority", "n-test");
  for (std::uint32_t i = 0; i < 20; ++i) {
    std::array<std::uint8_t, 256> block{};
    const ssize_t size = nghttp2_hd_deflate_hd(deflater, block.data(), block.size(), fields.data(), fields.size());
    const Bytes open = frame(NGHTTP2_HEADERS, 4, 2 * i + 1,
                             {reinterpret_cast<const std::byte*>(block.data()), static_cast<std::size_t>(size)});
    const auto sent = co_await net::write(*client.below, open);
    CO_ASSERT_OK(sent);
  }
  nghttp2_hd_deflate_del(deflater);
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kProtocol) << end.message;
  EXPECT_LE(victim.mux.requests.size(), 10U);
}

// Requests that are no CONNECT of ours are refused one by one; the link lives.
CO_TEST(HostilePeer, RequestsThatAreNotOurs) {
  const net::Executor executor = co_await net::this_executor();
  Victim victim(executor, MuxOptions{.header_bytes = 2'000});
  RawClient client(std::move(victim.peer));
  const std::string big(3'000, 'x');

  Fields get(":method", "GET");
  get.add(":scheme", "https");
  get.add(":path", "/");
  get.add(":authority", "n-test");
  Fields foreign(":method", "CONNECT");
  foreign.add(":authority", "n-test");
  foreign.add("cookie", "x");
  Fields bad_name(":method", "CONNECT");
  bad_name.add(":authority", "n-test/../etc");
  Fields oversized(":method", "CONNECT");
  oversized.add(":authority", "n-test");
  oversized.add("portolan-x", big);
  Fields good(":method", "CONNECT");
  good.add(":authority", "n-test");

  const std::int32_t ids[] = {client.request(get), client.request(foreign), client.request(oversized),
                              client.request(bad_name)};
  const std::int32_t last = client.request(good);
  co_await client.exchange();
  EXPECT_EQ(client.answers[ids[0]][":status"], "400");
  EXPECT_EQ(client.answers[ids[0]]["portolan-code"], "protocol");
  EXPECT_EQ(client.answers[ids[1]][":status"], "400");
  EXPECT_EQ(client.answers[ids[2]][":status"], "429");
  EXPECT_EQ(client.answers[ids[2]]["portolan-code"], "limit");
  EXPECT_NE(client.answers[ids[3]][":status"], "200");
  EXPECT_FALSE(victim.mux.end.has_value());
  CO_ASSERT_EQ(victim.mux.requests.size(), 1U);
  EXPECT_EQ(victim.mux.requests.front()->request().authority, "n-test");
  const auto accepted = victim.mux.requests.front()->accept();
  co_await client.exchange();
  EXPECT_EQ(client.answers[last][":status"], "200");
  EXPECT_EQ(victim.mux.mux->open_streams(), 1U);
}

// Each stream carries one byte: the memory they pin must be of the order of the bytes.
CO_TEST(HostilePeer, ManyStreamsWithOneByteEach) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  std::vector<std::unique_ptr<MuxStream>> streams;
  for (int i = 0; i < 2'000; ++i) {
    auto opened = pair.opener.mux->open({"n-test"});
    CO_ASSERT_OK(opened);
    const auto sent = (*opened)->try_write(as_bytes("x"));
    CO_ASSERT_TRUE(sent && *sent == 1);
    streams.push_back(std::move(*opened));
    if (i % 100 == 0) co_await pair.settle();
  }
  co_await pair.settle();
  EXPECT_EQ(pair.acceptor.mux->buffered(), 2'000U);
  EXPECT_EQ(net::blocks_in_use(), 0U);
}

}  // namespace
}  // namespace portolan::tunnel
