// Peers with a valid certificate that keep to HTTP/2 and abuse it: whatever they repeat, memory and work stay bounded,
// their link ends and says why, and others go on. And honest ones that do much of the same.
#include <gtest/gtest.h>

#include "tunnel/mux_hostile.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

// A client of the victim that has opened a stream, and its number.
struct Opened {
  std::int32_t id = 0;
  std::unique_ptr<MuxStream> stream;
};

net::Task<Opened> open_one(Victim& victim, RawClient& client) {
  Fields fields(":method", "CONNECT");
  fields.add(":authority", "n-test");
  Opened opened{client.request_with_data(fields), nullptr};
  co_await client.exchange();
  EXPECT_EQ(victim.mux.requests.size(), 1U);
  if (victim.mux.requests.empty()) co_return opened;
  opened.stream = victim.mux.requests.front()->accept();
  victim.mux.requests.pop_front();
  co_await client.exchange();
  co_return opened;
}

// Sends the frame until the link ends, and expects that it has ended for its sake: how many it took.
net::Task<int> repeated(Victim& victim, net::Stream& peer, Bytes one, std::string_view complaint) {
  Bytes many;
  for (int i = 0; i < 50; ++i) many.insert(many.end(), one.begin(), one.end());
  int sent = 0;
  for (; sent < 100'000 && !victim.mux.end; sent += 50) {
    const auto written = co_await net::write(peer, many);
    if (!written) break;
    while (true) {
      const auto chunk = peer.try_read();
      if (!chunk || chunk->kind != net::Chunk::Kind::kData) break;
    }
  }
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kLimit) << end.message;
  EXPECT_NE(end.message.find(complaint), std::string::npos) << end.message;
  co_return sent;
}

CO_TEST(MuxAbuse, PingsAndAnswersToNone) {
  for (const std::uint8_t flags : {0, 1}) {
    Victim victim(co_await net::this_executor());
    RawClient client(std::move(victim.peer));
    co_await client.exchange();
    const int sent = co_await repeated(victim, *client.below, frame(NGHTTP2_PING, flags, 0, Bytes(8)), "PINGs");
    EXPECT_LE(sent, 6'000) << static_cast<int>(flags);
  }
}

CO_TEST(MuxAbuse, Settings) {
  Victim victim(co_await net::this_executor());
  RawClient client(std::move(victim.peer));
  std::vector<Opened> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(co_await open_one(victim, client));
  // The window of all streams, up and down.
  const Bytes change = {std::byte{0}, std::byte{4}, std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};
  const int sent = co_await repeated(victim, *client.below, frame(NGHTTP2_SETTINGS, 0, 0, change), "SETTINGS");
  EXPECT_LE(sent, 5'000);
}

CO_TEST(MuxAbuse, DataWithoutBytes) {
  Victim victim(co_await net::this_executor());
  RawClient client(std::move(victim.peer));
  const auto opened = co_await open_one(victim, client);
  const auto id = static_cast<std::uint32_t>(opened.id);
  const int sent = co_await repeated(victim, *client.below, frame(NGHTTP2_DATA, 0, id), "empty frames");
  EXPECT_LE(sent, 6'000);
}

// The same with padding, which costs windows besides.
CO_TEST(MuxAbuse, DataThatIsPadding) {
  Victim victim(co_await net::this_executor());
  RawClient client(std::move(victim.peer));
  const auto opened = co_await open_one(victim, client);
  Bytes padding(9);
  padding[0] = std::byte{8};
  const Bytes one = frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, static_cast<std::uint32_t>(opened.id), padding);
  const int sent = co_await repeated(victim, *client.below, one, "empty frames");
  EXPECT_LE(sent, 6'000);
}

// Credit byte by byte, each of which would be a frame of ours.
CO_TEST(MuxAbuse, CreditInCrumbs) {
  Victim victim(co_await net::this_executor());
  RawClient client(std::move(victim.peer));
  const auto opened = co_await open_one(victim, client);
  CO_ASSERT_TRUE(opened.stream != nullptr);
  const Bytes much = {std::byte{0}, std::byte{0x0f}, std::byte{0x42}, std::byte{0x40}};
  CO_ASSERT_OK(co_await net::write(*client.below, frame(NGHTTP2_WINDOW_UPDATE, 0, 0, much)));
  Pusher pusher{*opened.stream};
  pusher.push();
  const Bytes crumb = {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}};
  const auto id = static_cast<std::uint32_t>(opened.id);
  const int sent =
      co_await repeated(victim, *client.below, frame(NGHTTP2_WINDOW_UPDATE, 0, id, crumb), "WINDOW_UPDATEs");
  EXPECT_LE(sent, 20'000);
  EXPECT_LE(pusher.written, 100'000U);
}

// More than there can be: of the stream that stream's end, of the link the link's.
CO_TEST(MuxAbuse, CreditWithoutMeasure) {
  Victim victim(co_await net::this_executor());
  RawClient client(std::move(victim.peer));
  const auto opened = co_await open_one(victim, client);
  CO_ASSERT_TRUE(opened.stream != nullptr);
  const Bytes most = {std::byte{0x7f}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  CO_ASSERT_OK(
      co_await net::write(*client.below, frame(NGHTTP2_WINDOW_UPDATE, 0, static_cast<std::uint32_t>(opened.id), most)));
  co_await client.exchange();
  EXPECT_EQ(victim.mux.mux->open_streams(), 0U);
  EXPECT_FALSE(victim.mux.end.has_value());
  CO_ASSERT_OK(co_await net::write(*client.below, frame(NGHTTP2_WINDOW_UPDATE, 0, 0, most)));
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kProtocol) << end.message;
}

CO_TEST(MuxAbuse, RequestsThatAreNotOurs) {
  Victim victim(co_await net::this_executor());
  RawClient client(std::move(victim.peer));
  co_await client.exchange();
  Fields get(":method", "GET");
  get.add(":scheme", "https");
  get.add(":path", "/");
  get.add(":authority", "n-test");
  int sent = 0;
  for (; sent < 20'000 && !victim.mux.end; sent += 100) {
    for (int i = 0; i < 100; ++i) client.request(get);
    co_await client.exchange();
  }
  const Error end = co_await victim.mux.ended();
  EXPECT_EQ(end.code, Code::kLimit) << end.message;
  EXPECT_NE(end.message.find("none of ours"), std::string::npos) << end.message;
  EXPECT_LE(sent, 5'000);
}

// A header of 3,000 bytes, and then thousands of references to it of one byte each (CVE-2016-6581).
Bytes bomb() {
  ByteWriter block;
  block.u8(0x40);  // literal, to be indexed (RFC 7541 §6.2.1)
  block.u8(10);
  block.bytes(as_bytes("portolan-x"));
  block.u8(0x7f);  // 127 and more: 3,000
  block.u8(0x80 | ((3'000 - 127) & 0x7f));
  block.u8((3'000 - 127) >> 7);
  block.bytes(Bytes(3'000, std::byte{'x'}));
  for (int i = 0; i < 13'000; ++i) block.u8(0x80 | 62);
  return block.take();
}

CO_TEST(MuxAbuse, HeaderBombs) {
  const auto shared = std::make_shared<Budget>(Budget{.limit = 10'000'000});
  Victim victim(co_await net::this_executor(), MuxOptions{.shared = shared});
  RawClient client(std::move(victim.peer));
  co_await client.exchange();
  const Bytes block = bomb();
  std::size_t most = 0;
  std::uint32_t id = 1;
  for (int i = 0; i < 200 && !victim.mux.end; ++i, id += 2) {
    if (const auto sent = co_await net::write(*client.below, frame(NGHTTP2_HEADERS, 4, id, block)); !sent) break;
    most = std::max(most, shared->used);
    while (true) {
      const auto chunk = client.below->try_read();
      if (!chunk || chunk->kind != net::Chunk::Kind::kData) break;
    }
  }
  const Error end = co_await victim.mux.ended();
  EXPECT_TRUE(end.code == Code::kLimit || end.code == Code::kProtocol) << end.message;
  EXPECT_LE(most, 200'000U);
  EXPECT_TRUE(victim.mux.requests.empty());
}

// ---- others meanwhile ----

net::Task<> exchange_words(MuxPair& pair, int& exchanged) {
  auto [near, far] = co_await pair.stream();
  while (true) {
    const auto said = co_await net::write(*near, as_bytes("word"));
    const auto heard = said ? co_await read_some(*far) : Result<std::string>(std::unexpected(said.error()));
    if (!heard) co_return;
    ++exchanged;
  }
}

// Frames that are ignored, without end, on one link: another of the same loop has its turns.
CO_TEST(MuxAbuse, AnotherLinkHasItsTurns) {
  const net::Executor executor = co_await net::this_executor();
  const auto shared = std::make_shared<Budget>();
  Victim victim(executor, MuxOptions{.shared = shared});
  MuxPair good(executor, {}, MuxOptions{.shared = shared});
  int exchanged = 0;
  net::TaskGroup tasks(executor);
  tasks.spawn("words", exchange_words(good, exchanged));
  tasks.spawn("swallow", swallow(*victim.peer));
  CO_ASSERT_OK(co_await net::write(*victim.peer, as_bytes(kMagic)));
  CO_ASSERT_OK(co_await net::write(*victim.peer, frame(NGHTTP2_SETTINGS, 0, 0)));
  Bytes flood;
  while (flood.size() < 60'000) {
    const Bytes one = frame(0x77, 0, 0);
    flood.insert(flood.end(), one.begin(), one.end());
  }
  for (int i = 0; i < 200; ++i) CO_ASSERT_OK(co_await net::write(*victim.peer, flood));
  EXPECT_GE(exchanged, 20);
  EXPECT_FALSE(good.acceptor.end.has_value());
  EXPECT_LE(shared->used, 1'000U);
  tasks.cancel();
  co_await tasks.join();
}

// ---- honest ones ----

// Programs that connect and give up, ten thousand times, as fast as they can.
CO_TEST(MuxAbuse, TenThousandConnectsThatAreGivenUpDoNotCostTheLink) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  std::vector<std::unique_ptr<MuxStream>> answered;
  int opened = 0;
  for (int tries = 0; opened < 10'000 && tries < 100'000; ++tries) {
    if (auto stream = pair.opener.mux->open({"n-test"})) ++opened;
    if (tries % 50 == 0) co_await net::yield_to_loop();
    for (auto& request : std::exchange(pair.acceptor.requests, {})) answered.push_back(request->accept());
  }
  EXPECT_EQ(opened, 10'000);
  for (int i = 0; i < 200; ++i) {
    co_await net::yield_to_loop();
    for (auto& request : std::exchange(pair.acceptor.requests, {})) answered.push_back(request->accept());
  }
  EXPECT_FALSE(pair.opener.end.has_value());
  EXPECT_FALSE(pair.acceptor.end.has_value());
  EXPECT_GE(answered.size(), 1'000U);
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U);
  auto [near, far] = co_await pair.stream();
  CO_ASSERT_OK(co_await net::write(*near, as_bytes("still here")));
  const auto got = co_await read_some(*far);
  CO_ASSERT_OK(got);
}

// And nobody answers: they are told one after another, as fast as the acceptor takes it.
CO_TEST(MuxAbuse, NorIfNobodyAnswersThem) {
  const net::Executor executor = co_await net::this_executor();
  FakeClock clock;
  const MuxOptions options{.probe_after = 0ms, .clock = &clock};
  MuxPair pair(executor, options, options);
  int opened = 0;
  std::vector<std::unique_ptr<Incoming>> waiting;
  for (int round = 0; round < 600 && (opened < 10'000 || pair.opener.mux->open_streams() > 0); ++round) {
    while (opened < 10'000) {
      if (auto stream = pair.opener.mux->open({"n-test"}); !stream) break;
      if (++opened % 50 == 0) co_await net::yield_to_loop();
    }
    clock.advance(500ms);
    const auto ping = co_await pair.opener.mux->ping(kSoon);
    CO_ASSERT_OK(ping);
    for (auto& request : std::exchange(pair.acceptor.requests, {})) waiting.push_back(std::move(request));
    co_await pair.settle();
  }
  EXPECT_EQ(opened, 10'000);
  EXPECT_FALSE(pair.opener.end.has_value());
  EXPECT_FALSE(pair.acceptor.end.has_value());
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U) << "a cancel was not told";
  EXPECT_GE(waiting.size(), 9'000U);  // others were given up before they were looked at
}

}  // namespace
}  // namespace portolan::tunnel
