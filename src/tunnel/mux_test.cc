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

// Writes until it is stopped, and counts.
net::Task<> write_forever(net::Stream& stream, std::size_t& written) {
  const Bytes block(10'000, std::byte{'x'});
  while (true) {
    const auto done = co_await net::write(stream, block);
    if (!done) co_return;
    written += block.size();
  }
}

net::Task<> read_forever(net::Stream& stream, std::size_t& got, std::size_t until, net::Event& reached) {
  while (true) {
    const auto buffer = co_await net::read(stream);
    if (!buffer || buffer->empty()) co_return;
    got += buffer->size();
    if (got >= until) reached.set();
  }
}

CO_TEST(Mux, StoppedReaderStopsItsWriterAndNoOther) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, {}, MuxOptions{.connection_window = 300'000});
  auto [stopped_near, stopped_far] = co_await pair.stream();
  auto [near, far] = co_await pair.stream();
  net::Event reached(executor);
  net::TaskGroup tasks(executor);
  std::size_t stopped_written = 0;
  std::size_t written = 0;
  std::size_t got = 0;
  tasks.spawn("stopped writer", write_forever(*stopped_near, stopped_written));
  tasks.spawn("writer", write_forever(*near, written));
  tasks.spawn("reader", read_forever(*far, got, 20'000'000, reached));
  const auto moved = co_await reached.wait(9s);
  CO_ASSERT_OK(moved);
  EXPECT_LE(stopped_written, 256U * 1024);
  EXPECT_GE(stopped_written, 200U * 1024);
  EXPECT_LE(pair.acceptor.mux->buffered(), 3U * 256 * 1024);
  EXPECT_LE(net::blocks_in_use(), 64U);
  // It goes on as soon as somebody reads.
  std::size_t late = 0;
  net::Event caught_up(executor);
  tasks.spawn("late reader", read_forever(*stopped_far, late, 1'000'000, caught_up));
  const auto resumed = co_await caught_up.wait(9s);
  CO_ASSERT_OK(resumed);
  tasks.cancel();
  co_await tasks.join();
}

// Writes as join() does: within the call, as much as is taken.
struct Pusher {
  net::Stream& stream;
  Bytes block = Bytes(30'000, std::byte{'y'});
  void push() {
    while (true) {
      const auto taken = stream.try_write(block);
      if (!taken) return;
      if (*taken == 0) break;
    }
    stream.on_writable([this] { push(); });
  }
};

CO_TEST(Mux, WritersShareTheLink) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  constexpr std::size_t kWriters = 8;
  std::vector<std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>> streams;
  std::array<std::size_t, kWriters> written{};
  std::array<std::size_t, kWriters> got{};
  std::deque<Pusher> pushers;
  net::Event reached(executor);
  net::TaskGroup tasks(executor);
  for (std::size_t i = 0; i < kWriters; ++i) streams.push_back(co_await pair.stream());
  for (std::size_t i = 0; i < kWriters; ++i) {
    if (i % 2 == 0)
      tasks.spawn("writer", write_forever(*streams[i].first, written[i]));
    else
      pushers.emplace_back(*streams[i].first).push();
    tasks.spawn("reader", read_forever(*streams[i].second, got[i], 4'000'000, reached));
  }
  const auto first = co_await reached.wait(9s);
  CO_ASSERT_OK(first);
  EXPECT_GE(*std::ranges::min_element(got), 3'000'000U) << ::testing::PrintToString(got);
  tasks.cancel();
  co_await tasks.join();
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

// ---- opening and answering ----

CO_TEST(Mux, RefusalArrivesWithHopReasonAndText) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  MuxStream& near = **opened;
  const auto early = near.try_write(as_bytes("too early"));
  CO_ASSERT_OK(early);
  const auto request = co_await pair.acceptor.next();
  request->refuse(Error{Code::kDenied, "no grant for \"billing\" (100%)", "no_grant", Hop::kEgress});
  const auto answered = co_await near.answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kDenied);
  EXPECT_EQ(answered.error().message, "no grant for \"billing\" (100%)");
  EXPECT_EQ(answered.error().reason, "no_grant");
  EXPECT_EQ(answered.error().hop, Hop::kEgress);
  const auto read = co_await net::read(near);
  CO_ASSERT_ERROR(read, Code::kDenied);
  const auto write = near.try_write(as_bytes("x"));
  CO_ASSERT_ERROR(write, Code::kDenied);
  co_await pair.settle();
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U);
  EXPECT_EQ(pair.opener.mux->open_streams(), 0U);
  EXPECT_EQ(pair.acceptor.mux->buffered(), 0U);
}

CO_TEST(Mux, DroppedRequestIsRefused) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  auto request = co_await pair.acceptor.next();
  request.reset();
  const auto answered = co_await (*opened)->answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kInternal);
}

CO_TEST(Mux, OpenerMayWriteBeforeTheAnswer) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  const auto sent = (*opened)->try_write(as_bytes("hello"));
  CO_ASSERT_OK(sent);
  EXPECT_EQ(*sent, 5U);
  const auto waiting = (*opened)->try_read();
  CO_ASSERT_OK(waiting);
  EXPECT_EQ(waiting->kind, net::Chunk::Kind::kWait);
  const auto request = co_await pair.acceptor.next();
  const auto far = request->accept({{"portolan-session", "s-1"}});
  const auto read = co_await read_some(*far);
  CO_ASSERT_OK(read);
  EXPECT_EQ(*read, "hello");
  const auto answered = co_await (*opened)->answered(kSoon);
  CO_ASSERT_OK(answered);
  EXPECT_EQ((*opened)->answer().at("portolan-session"), "s-1");
}

CO_TEST(Mux, AnswerThatDoesNotComeTimesOut) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto opened = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  const auto answered = co_await (*opened)->answered(20ms);
  CO_ASSERT_ERROR(answered, Code::kTimeout);
}

CO_TEST(Mux, KeepsToThePeersLimitOfStreams) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, {}, MuxOptions{.max_streams = 2});
  auto first = co_await pair.stream();
  auto second = co_await pair.stream();
  const auto third = pair.opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(third, Code::kLimit);
  first.first.reset();
  first.second.reset();
  const auto fourth = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(fourth);
  EXPECT_FALSE(pair.opener.end.has_value());
}

CO_TEST(Mux, ChecksWhatItIsAskedToOpen) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  const auto no_authority = pair.opener.mux->open({""});
  CO_ASSERT_ERROR(no_authority, Code::kInvalid);
  const auto foreign = pair.opener.mux->open({"n-test", {{"cookie", "x"}}});
  CO_ASSERT_ERROR(foreign, Code::kInvalid);
  const auto too_large = pair.opener.mux->open({"n-test", {{"portolan-x", std::string(20'000, 'x')}}});
  CO_ASSERT_ERROR(too_large, Code::kLimit);
  const auto wrong_side = pair.acceptor.mux->open({"n-test"});
  CO_ASSERT_ERROR(wrong_side, Code::kInvalid);
}

CO_TEST(Mux, StreamNumbersEnd) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor, MuxOptions{.last_stream_id = 3});
  const auto first = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(first);
  const auto second = pair.opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(second, Code::kUnavailable);
}

// ---- ends ----

CO_TEST(Mux, DestroyingAStreamResetsIt) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  const auto sent = near->try_write(as_bytes("last words"));
  CO_ASSERT_OK(sent);
  near.reset();
  const auto read = co_await read_some(*far);
  CO_ASSERT_OK(read);
  EXPECT_EQ(*read, "last words");
  const auto after = co_await net::read(*far);
  CO_ASSERT_ERROR(after, Code::kIo);
  co_await pair.settle();
  EXPECT_EQ(pair.acceptor.mux->open_streams(), 0U);
}

CO_TEST(Mux, StreamThatHasEndedBothWaysIsNotReset) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  const auto finished = co_await net::finish(*near, kSoon);
  CO_ASSERT_OK(finished);
  const auto end = co_await net::read(*far);
  CO_ASSERT_TRUE(end && end->empty());
  const auto sent = far->try_write(as_bytes("answer"));
  CO_ASSERT_OK(sent);
  const auto shut = far->shutdown_send();
  CO_ASSERT_OK(shut);
  far.reset();  // at once: what was accepted still arrives
  const auto answer = co_await read_all(*near);
  CO_ASSERT_OK(answer);
  EXPECT_EQ(as_text(*answer), "answer");
}

CO_TEST(Mux, AbortTellsThePeer) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  far->abort();
  const auto near_read = co_await net::read(*near);
  CO_ASSERT_ERROR(near_read, Code::kIo);
  const auto far_read = co_await net::read(*far);
  CO_ASSERT_ERROR(far_read, Code::kCancelled);
}

CO_TEST(Mux, StreamsOutliveTheMux) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  auto unanswered = pair.opener.mux->open({"n-test"});
  CO_ASSERT_OK(unanswered);
  auto request = co_await pair.acceptor.next();
  const auto sent = far->try_write(as_bytes("before"));
  CO_ASSERT_OK(sent);
  co_await pair.settle();
  pair.opener.mux.reset();
  pair.acceptor.mux.reset();
  const auto before = co_await read_some(*near);
  CO_ASSERT_OK(before);
  EXPECT_EQ(*before, "before");
  const auto read = co_await net::read(*near);
  CO_ASSERT_ERROR(read, Code::kCancelled);
  const auto write = near->try_write(as_bytes("x"));
  CO_ASSERT_ERROR(write, Code::kCancelled);
  const auto shut = far->shutdown_send();
  CO_ASSERT_ERROR(shut, Code::kCancelled);
  const auto late = request->accept();
  const auto late_read = co_await net::read(*late);
  CO_ASSERT_ERROR(late_read, Code::kCancelled);
  const auto answered = co_await (*unanswered)->answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kCancelled);
  co_await pair.settle();
  EXPECT_FALSE(pair.opener.end.has_value());  // who destroys it need not be told
}

CO_TEST(Mux, BreakingBelowFailsWhoWaits) {
  const net::Executor executor = co_await net::this_executor();
  auto [near_below, far_below] = net::memory_pair(executor);
  MuxEnd opener(executor);
  opener.start(std::move(near_below), Mux::Role::kOpener, {});
  auto opened = opener.mux->open({"n-test"});
  CO_ASSERT_OK(opened);
  far_below.reset();
  const auto answered = co_await (*opened)->answered(kSoon);
  CO_ASSERT_ERROR(answered, Code::kIo);
  const Error end = co_await opener.ended();
  EXPECT_EQ(end.code, Code::kIo);
  EXPECT_TRUE(opener.mux->ended());
  const auto again = opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(again, Code::kIo);
  const auto ping = co_await opener.mux->ping(kSoon);
  CO_ASSERT_ERROR(ping, Code::kIo);
}

CO_TEST(Mux, CloseTellsThePeerWhy) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  pair.acceptor.mux->close(Error{Code::kDenied, "the account was disabled", {}, Hop::kUnknown});
  EXPECT_TRUE(pair.acceptor.mux->ended());
  const Error here = co_await pair.acceptor.ended();
  EXPECT_EQ(here.code, Code::kDenied);
  const Error there = co_await pair.opener.ended();
  EXPECT_EQ(there.code, Code::kDenied);
  EXPECT_NE(there.message.find("the account was disabled"), std::string::npos) << there.message;
  const auto read = co_await net::read(*near);
  CO_ASSERT_ERROR(read, Code::kDenied);
}

CO_TEST(Mux, DrainLetsLivingStreamsGoOn) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  pair.acceptor.mux->drain();
  auto in_flight = pair.opener.mux->open({"n-test"});  // has not heard of it yet
  CO_ASSERT_OK(in_flight);
  const auto refused = co_await (*in_flight)->answered(kSoon);
  CO_ASSERT_ERROR(refused, Code::kUnavailable);
  const auto next = pair.opener.mux->open({"n-test"});
  CO_ASSERT_ERROR(next, Code::kUnavailable);
  const auto sent = co_await net::write(*near, as_bytes("still here"));
  CO_ASSERT_OK(sent);
  const auto read = co_await read_some(*far);
  CO_ASSERT_OK(read);
  EXPECT_EQ(*read, "still here");
  EXPECT_FALSE(pair.acceptor.end.has_value());
  const auto up = co_await net::finish(*near, kSoon);
  const auto down = co_await net::finish(*far, kSoon);
  CO_ASSERT_OK(up);
  CO_ASSERT_OK(down);
  const Error here = co_await pair.acceptor.ended();
  EXPECT_EQ(here.code, Code::kUnavailable);
  co_await pair.opener.ended();
}

CO_TEST(Mux, WhoeverWantsToKnowIsToldThatThePeerDrains) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  auto [near, far] = co_await pair.stream();
  int told = 0;
  pair.opener.mux->on_draining([&] { ++told; });
  co_await pair.settle();
  EXPECT_EQ(told, 0);
  EXPECT_FALSE(pair.opener.mux->draining());
  pair.acceptor.mux->drain();
  co_await pair.settle();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(pair.opener.mux->draining());
  EXPECT_FALSE(pair.acceptor.mux->draining()) << "it has said so itself";
  // Who asks later is told all the same.
  pair.opener.mux->on_draining([&] { told += 10; });
  co_await pair.settle();
  EXPECT_EQ(told, 11);
  near.reset();
  far.reset();
  const Error end = co_await pair.opener.ended();
  EXPECT_EQ(end.reason, kDrained);
}

CO_TEST(Mux, AnIdleLinkThatIsDrainedSaysWhyItEnds) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  bool told = false;
  pair.opener.mux->on_draining([&] { told = !pair.opener.end.has_value(); });
  pair.acceptor.mux->drain();
  const Error end = co_await pair.opener.ended();
  EXPECT_EQ(end.reason, kDrained) << end.message;
  EXPECT_TRUE(told) << "before the end";
}

CO_TEST(Mux, AGoodbyeWithACodeIsNoDraining) {
  const net::Executor executor = co_await net::this_executor();
  MuxPair pair(executor);
  bool told = false;
  pair.opener.mux->on_draining([&] { told = true; });
  pair.acceptor.mux->close(Error{Code::kUnavailable, "stopping", "node_stopping", Hop::kUnknown});
  const Error end = co_await pair.opener.ended();
  EXPECT_EQ(end.reason, "node_stopping");
  co_await pair.settle();
  EXPECT_FALSE(told);
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
