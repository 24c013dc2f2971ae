#include "tunnel/mux.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "net/buffer.h"
#include "net/join.h"
#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

// ---- bytes ----

net::Task<> send_in_pieces(net::Stream& stream, const Bytes& bytes, unsigned seed, bool& good) {
  std::mt19937 random(seed);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t n =
        std::min<std::size_t>(bytes.size() - at, random() % 3 == 0 ? random() % 100 + 1 : random() % 60'000 + 1);
    const auto written = co_await net::write(stream, ByteView(bytes).subspan(at, n));
    if (!written) co_return;
    at += n;
    if (random() % 8 == 0) co_await net::yield_to_loop();
  }
  const auto finished = co_await net::finish(stream, kSoon);
  good = finished.has_value();
}

// Answers with its own bytes, then compares what it got.
net::Task<> run_side(std::unique_ptr<MuxStream> stream, Bytes mine, Bytes theirs, unsigned seed, int& whole) {
  net::TaskGroup tasks(stream->executor());
  bool sent = false;
  tasks.spawn("send", send_in_pieces(*stream, mine, seed, sent));
  const auto got = co_await read_all(*stream);
  co_await tasks.join();
  EXPECT_TRUE(got.has_value()) << net::testing::describe_failure(got);
  EXPECT_TRUE(sent);
  if (got && sent && crypto::sha256(*got) == crypto::sha256(theirs)) ++whole;
}

CO_TEST(Mux, CarriesManyStreamsBothWays) {
  const net::Executor executor = co_await net::this_executor();
  constexpr int kStreams = 16;
  MuxPair pair(executor, MuxOptions{.stream_window = 70'000}, MuxOptions{});
  std::mt19937 random(7);
  net::TaskGroup tasks(executor);
  int whole = 0;
  for (int i = 0; i < kStreams; ++i) {
    const Bytes up = random_bytes(random, i == 0 ? 0 : random() % 600'000);
    const Bytes down = random_bytes(random, i == 1 ? 0 : random() % 600'000);
    auto opened = pair.opener.mux->open({"n-" + std::to_string(i), {{"portolan-number", std::to_string(i)}}});
    CO_ASSERT_OK(opened);
    const auto request = co_await pair.acceptor.next();
    CO_ASSERT_EQ(request->request().authority, "n-" + std::to_string(i));
    CO_ASSERT_EQ(request->request().headers.at("portolan-number"), std::to_string(i));
    tasks.spawn("opener", run_side(std::move(*opened), up, down, random(), whole));
    tasks.spawn("acceptor", run_side(request->accept(), down, up, random(), whole));
  }
  co_await tasks.join();
  EXPECT_EQ(whole, 2 * kStreams);
  co_await pair.settle();
  EXPECT_EQ(pair.opener.mux->open_streams(), 0U);
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U);
  EXPECT_EQ(pair.acceptor.mux->buffered(), 0U);
  EXPECT_EQ(net::blocks_in_use(), 0U);
}

CO_TEST(Mux, ResetsTheStreamThatExceedsTheBudget) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, {}, MuxOptions{.budget = 300'000});
  net::TaskGroup tasks(executor);
  std::vector<std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>> streams;
  std::array<std::size_t, 3> written{};
  for (int i = 0; i < 3; ++i) streams.push_back(co_await pair.stream());
  for (std::size_t i = 0; i < 3; ++i) tasks.spawn("writer", write_forever(*streams[i].first, written[i]));
  co_await pair.settle();
  EXPECT_LE(pair.acceptor.mux->buffered(), 300'000U);
  int failed = 0;
  for (const auto& [near, far] : streams) {
    const auto chunk = far->try_read();
    if (chunk) continue;
    ++failed;
    EXPECT_EQ(chunk.error().code, Code::kLimit);
    const auto write = near->try_write(as_bytes("x"));
    EXPECT_FALSE(write.has_value());
    if (!write) EXPECT_EQ(write.error().code, Code::kLimit);
  }
  EXPECT_GE(failed, 1);
  EXPECT_LE(failed, 2);
  EXPECT_FALSE(pair.acceptor.end.has_value());
  tasks.cancel();
  co_await tasks.join();
}

CO_TEST(Mux, IdleStreamsHoldNoBlocks) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  std::vector<std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>> streams;
  for (int i = 0; i < 500; ++i) {
    streams.push_back(co_await pair.stream());
    const auto sent = co_await net::write(*streams.back().first, as_bytes("x"));
    const auto read = co_await net::read(*streams.back().second);
    CO_ASSERT_TRUE(sent && read && read->size() == 1);
  }
  co_await pair.settle();
  EXPECT_EQ(net::blocks_in_use(), 0U);
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 500U);
}

// ---- silence ----

CO_TEST(Mux, PingMeasuresARoundTrip) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  const auto first = co_await pair.opener.mux->ping(kSoon);
  CO_ASSERT_OK(first);
  EXPECT_LT(*first, 1s);
  const auto second = co_await pair.acceptor.mux->ping(kSoon);
  CO_ASSERT_OK(second);
}

net::Task<> swallow(std::unique_ptr<net::Stream> stream) { const auto all = co_await read_all(*stream); }

CO_TEST(Mux, NoticesADeadPeer) {
  const net::Executor executor = co_await net::this_executor();
  auto [near, far] = net::memory_pair(executor);
  net::TaskGroup tasks(executor);
  tasks.spawn("swallow", swallow(std::move(far)));
  MuxEnd opener(executor);
  const auto start = std::chrono::steady_clock::now();
  opener.start(std::move(near), Mux::Role::kOpener, MuxOptions{.probe_after = 30ms, .probe_limit = 30ms});
  const auto ping = co_await opener.mux->ping(10ms);
  CO_ASSERT_ERROR(ping, Code::kTimeout);
  const Error end = co_await opener.ended();
  EXPECT_EQ(end.code, Code::kTimeout);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 55ms);
  tasks.cancel();
  co_await tasks.join();
}

CO_TEST(Mux, NoticesADeadPeerSoonerWhenItIsLateWithAnAnswer) {
  const net::Executor executor = co_await net::this_executor();
  auto [near, far] = net::memory_pair(executor);
  net::TaskGroup tasks(executor);
  tasks.spawn("swallow", swallow(std::move(far)));
  MuxEnd opener(executor);
  const auto start = std::chrono::steady_clock::now();
  opener.start(std::move(near), Mux::Role::kOpener, MuxOptions{.probe_after = 1h, .probe_limit = 1h});
  opener.mux->probe(30ms);
  opener.mux->probe(1h);  // does not put off what was asked before
  const Error end = co_await opener.ended();
  EXPECT_EQ(end.code, Code::kTimeout);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
  tasks.cancel();
  co_await tasks.join();

  MuxPair pair(executor);
  pair.opener.mux->probe(300ms);
  const auto slept = co_await net::sleep_for(400ms);
  CO_ASSERT_OK(slept);
  EXPECT_FALSE(pair.opener.mux->ended());
}

CO_TEST(Mux, ProbesKeepALivingLink) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, MuxOptions{.probe_after = 5ms, .probe_limit = 200ms},
               MuxOptions{.probe_after = 7ms, .probe_limit = 200ms});
  const auto slept = co_await net::sleep_for(100ms);
  CO_ASSERT_OK(slept);
  EXPECT_FALSE(pair.opener.mux->ended());
  EXPECT_FALSE(pair.acceptor.mux->ended());
}

// ---- who is called when ----

CO_TEST(Mux, WaitersAreCalledFromTheLoopOnly) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  const auto sent = near->try_write(as_bytes("x"));
  CO_ASSERT_OK(sent);
  co_await pair.settle();
  bool read_called = false;
  bool write_called = false;
  far->on_readable([&] { read_called = true; });
  far->on_writable([&] { write_called = true; });
  EXPECT_FALSE(read_called);
  EXPECT_FALSE(write_called);
  co_await pair.settle();
  EXPECT_TRUE(read_called);
  EXPECT_TRUE(write_called);
  bool cancelled_called = false;
  far->on_readable([&] { cancelled_called = true; });
  far->cancel_readable();
  near->on_readable([&] { cancelled_called = true; });
  near.reset();
  co_await pair.settle();
  EXPECT_FALSE(cancelled_called);
}

CO_TEST(Mux, MayBeDestroyedInAnyOfItsCallbacks) {
  const net::Executor executor = co_await net::this_executor();
  for (int where = 0; where < 3; ++where) {
    auto [near, far] = net::memory_pair(executor);
    MuxEnd opener(executor);
    opener.start(std::move(near), Mux::Role::kOpener, {});
    std::unique_ptr<Mux> acceptor;
    std::unique_ptr<MuxStream> accepted;
    bool done = false;
    acceptor = Mux::make(
        std::move(far), Mux::Role::kAcceptor, {},
        [&](std::unique_ptr<Incoming> request) {
          if (where == 0) return acceptor.reset(), void(done = true);
          accepted = request->accept();
          accepted->on_readable([&] {
            if (where == 1) acceptor.reset();
            if (where == 2) accepted.reset();
            done = true;
          });
        },
        [](const Error&) {});
    auto opened = opener.mux->open({"n-test"});
    CO_ASSERT_OK(opened);
    const auto sent = (*opened)->try_write(as_bytes("x"));
    CO_ASSERT_OK(sent);
    const auto read = co_await net::read(**opened);
    EXPECT_FALSE(read.has_value()) << where;
    EXPECT_TRUE(done) << where;
  }
}

CO_TEST(Mux, UnsentFallsToNothing) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  const Bytes block(100'000, std::byte{1});
  const auto sent = near->try_write(block);
  CO_ASSERT_OK(sent);
  EXPECT_GE(near->unsent(), *sent);
  const auto shut = near->shutdown_send();
  CO_ASSERT_OK(shut);
  const auto late = near->try_write(block);
  CO_ASSERT_ERROR(late, Code::kInvalid);
  const auto all = co_await read_all(*far);
  CO_ASSERT_OK(all);
  EXPECT_EQ(all->size(), *sent);
  EXPECT_EQ(near->unsent(), 0U);
}

}  // namespace
}  // namespace portolan::tunnel
