#include "net/join.h"

#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"
#include "net/memory_stream.h"
#include "net/test_bytes.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;

Task<> join_and_note(Stream& a, Stream& b, JoinOptions options, std::optional<Joined>& joined) {
  joined = co_await join(a, b, options);
}

// client ⇄ (a, b) ⇄ server, with a and b joined.
struct Chain {
  std::unique_ptr<Stream> client, a, b, server;
  std::optional<Joined> joined;
  TaskGroup group;

  explicit Chain(const Executor& executor, std::size_t capacity = 64 * 1024) : group(executor) {
    std::tie(client, a) = memory_pair(executor, capacity);
    std::tie(b, server) = memory_pair(executor, capacity);
  }
  void start(JoinOptions options = {}) { group.spawn("join", join_and_note(*a, *b, options, joined)); }
};

std::string text_of(const Result<Buffer>& got) {
  return got ? std::string(as_text(got->data())) : "error: " + got.error().message;
}

CO_TEST(Join, CopiesBothWaysAndHalfCloses) {
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start();
  auto wrote = co_await write(*chain.client, as_bytes("question"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*chain.server);
  EXPECT_EQ(text_of(got), "question");
  auto ended = chain.client->shutdown_send();
  CO_ASSERT_OK(ended);
  got = co_await read(*chain.server);
  EXPECT_EQ(text_of(got), "");
  EXPECT_FALSE(chain.joined);
  wrote = co_await write(*chain.server, as_bytes("answer"));
  CO_ASSERT_OK(wrote);
  ended = chain.server->shutdown_send();
  CO_ASSERT_OK(ended);
  got = co_await read(*chain.client);
  EXPECT_EQ(text_of(got), "answer");
  got = co_await read(*chain.client);
  EXPECT_EQ(text_of(got), "");
  co_await chain.group.join();
  CO_ASSERT_TRUE(chain.joined.has_value());
  CO_ASSERT_OK(chain.joined->outcome);
  EXPECT_EQ(chain.joined->forward, 8U);
  EXPECT_EQ(chain.joined->backward, 6U);
}

CO_TEST(Join, CarriesMuchBothWaysAtOnce) {
  Chain chain(co_await boost::asio::this_coro::executor, 10'000);
  chain.start();
  constexpr std::size_t kSize = 5'000'000;
  testing::Digest up, down, up_sent, down_sent;
  TaskGroup peers(co_await boost::asio::this_coro::executor);
  peers.spawn("up", testing::send_random(*chain.client, kSize, 1, up_sent));
  peers.spawn("down", testing::send_random(*chain.server, kSize, 2, down_sent));
  peers.spawn("up end", testing::receive_all(*chain.server, up));
  peers.spawn("down end", testing::receive_all(*chain.client, down));
  co_await peers.join();
  co_await chain.group.join();
  EXPECT_EQ(up.size, kSize);
  EXPECT_EQ(up.hash(), up_sent.hash());
  EXPECT_EQ(down.hash(), down_sent.hash());
  CO_ASSERT_OK(chain.joined->outcome);
  EXPECT_EQ(chain.joined->forward, kSize);
  EXPECT_EQ(chain.joined->backward, kSize);
}

CO_TEST(Join, HoldsNoBlockWhileNobodySpeaks) {
  const auto before = blocks_in_use();
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start();
  auto wrote = co_await write(*chain.client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*chain.server);
  EXPECT_EQ(text_of(got), "x");
  if (got) got->release();
  co_await yield_to_loop();
  EXPECT_EQ(blocks_in_use(), before);
  chain.group.cancel();
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kCancelled);
  EXPECT_EQ(chain.joined->forward, 1U);
}

CO_TEST(Join, AReaderThatStopsMakesItsWriterStop) {
  Chain chain(co_await boost::asio::this_coro::executor, 1000);
  chain.start();
  std::size_t accepted = 0;
  for (int i = 0; i < 100; ++i) {
    auto some = chain.client->try_write(Bytes(100));
    CO_ASSERT_OK(some);
    accepted += *some;
    co_await yield_to_loop();
  }
  EXPECT_LE(accepted, 2000U + kBlockSize);
  EXPECT_LT(accepted, 10'000U);
  // the other direction is not held up
  auto wrote = co_await write(*chain.server, as_bytes("still"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*chain.client);
  EXPECT_EQ(text_of(got), "still");
  chain.group.cancel();
  co_await chain.group.join();
}

struct Refuser : Inspector {
  std::string seen;
  Result<> inspect(Direction direction, ByteView bytes) override {
    seen += direction == Direction::kForward ? ">" : "<";
    seen += as_text(bytes);
    if (as_text(bytes) == "evil") return fail(Code::kDenied, "refused by the inspector");
    return {};
  }
};

CO_TEST(Join, AnInspectorSeesAllAndCanRefuse) {
  Refuser refuser;
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start({.inspector = &refuser});
  auto wrote = co_await write(*chain.client, as_bytes("good"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*chain.server);
  EXPECT_EQ(text_of(got), "good");
  wrote = co_await write(*chain.server, as_bytes("back"));
  CO_ASSERT_OK(wrote);
  got = co_await read(*chain.client);
  EXPECT_EQ(text_of(got), "back");
  wrote = co_await write(*chain.client, as_bytes("evil"));
  CO_ASSERT_OK(wrote);
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kDenied);
  EXPECT_EQ(refuser.seen, ">good<back>evil");
  EXPECT_EQ(chain.joined->forward, 4U);
  auto nothing = chain.server->try_read();
  CO_ASSERT_OK(nothing);
  EXPECT_EQ(nothing->kind, Chunk::Kind::kWait);
  // the streams are the caller's: it may say why
  wrote = co_await write(*chain.a, as_bytes("goodbye"));
  CO_ASSERT_OK(wrote);
  got = co_await read(*chain.client);
  EXPECT_EQ(text_of(got), "goodbye");
}

struct Stopper : Inspector {
  StopSignal& stop;
  explicit Stopper(StopSignal& signal) : stop(signal) {}
  Result<> inspect(Direction, ByteView) override {
    stop.stop(Error{Code::kLimit, "stopped while inspecting"});
    return {};
  }
};

CO_TEST(Join, AnInspectorMayTakeAnEndForTheEndOfAll) {
  struct Ends : Inspector {
    Result<> inspect(Direction, ByteView) override { return {}; }
    Result<> at_end(Direction direction) override {
      seen += direction == Direction::kForward ? 'f' : 'b';
      if (direction == Direction::kForward) return {};
      return fail(Code::kEof, "it is gone");
    }
    std::string seen;
  };
  for (const bool client_first : {false, true}) {
    Ends ends;
    Chain chain(co_await boost::asio::this_coro::executor);
    chain.start({.inspector = &ends});
    if (client_first) {
      CO_ASSERT_OK(chain.client->shutdown_send());
      auto told = co_await read(*chain.server);
      EXPECT_EQ(text_of(told), "");
    }
    auto wrote = co_await write(*chain.server, as_bytes("last words"));
    CO_ASSERT_OK(wrote);
    CO_ASSERT_OK(chain.server->shutdown_send());
    co_await chain.group.join();
    EXPECT_FALSE(chain.joined->outcome);
    EXPECT_EQ(chain.joined->outcome.error().message, "it is gone");
    EXPECT_EQ(ends.seen, client_first ? "fb" : "b");
    EXPECT_EQ(chain.joined->backward, 10U);
    wrote = co_await write(*chain.a, as_bytes(", and mine"));
    CO_ASSERT_OK(wrote);  // the client has not been told of an end
    auto got = co_await read(*chain.client);
    EXPECT_EQ(text_of(got), "last words, and mine");
  }
}

CO_TEST(Join, StopsWithTheReason) {
  StopSignal stop;
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start({.stop = &stop});
  co_await yield_to_loop();
  stop.stop(Error{Code::kDenied, "membership ended"});
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kDenied);
  EXPECT_EQ(chain.joined->outcome.error().message, "membership ended");
}

CO_TEST(Join, StopsAtOnceIfItHasBeenStopped) {
  StopSignal stop;
  stop.stop(Error{Code::kDenied, "before"});
  Chain chain(co_await boost::asio::this_coro::executor);
  auto wrote = co_await write(*chain.client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  chain.start({.stop = &stop});
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kDenied);
  EXPECT_EQ(chain.joined->forward, 0U);
}

CO_TEST(Join, MayBeStoppedFromTheInspector) {
  StopSignal stop;
  Stopper stopper(stop);
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start({.inspector = &stopper, .stop = &stop});
  auto wrote = co_await write(*chain.client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kLimit);
  EXPECT_EQ(chain.joined->forward, 0U);
}

CO_TEST(Join, EndsWhenNobodySpeaksForTooLong) {
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start({.idle = 150ms});
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < 6; ++i) {  // speaks for longer than the limit, in short intervals
    auto wrote = co_await write(*chain.client, as_bytes("x"));
    CO_ASSERT_OK(wrote);
    auto nap = co_await sleep_for(30ms);
    CO_ASSERT_OK(nap);
  }
  EXPECT_FALSE(chain.joined);
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kTimeout);
  EXPECT_EQ(chain.joined->outcome.error().message, "idle for 150ms");
  EXPECT_EQ(chain.joined->forward, 6U);
  EXPECT_GE(std::chrono::steady_clock::now() - started, 150ms + 150ms);
}

CO_TEST(Join, OneSideFailingEndsIt) {
  Chain chain(co_await boost::asio::this_coro::executor);
  chain.start();
  co_await yield_to_loop();
  chain.server.reset();
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kIo);
}

// Accepts everything and hands it on only when told to, as a layer that collects does.
class Collecting : public Stream {
 public:
  explicit Collecting(std::unique_ptr<Stream> below) : below_(std::move(below)) {}
  void flush() {
    held_ = 0;
    if (auto ready = std::exchange(writable_, {})) ready();
  }
  Result<Chunk> try_read() override { return below_->try_read(); }
  Result<std::size_t> try_write(ByteView bytes) override {
    held_ += bytes.size();
    return bytes.size();
  }
  Result<> shutdown_send() override { return below_->shutdown_send(); }
  std::size_t unsent() const override { return held_; }
  void on_readable(Ready ready) override { below_->on_readable(std::move(ready)); }
  void on_writable(Ready ready) override { writable_ = std::move(ready); }
  void cancel_readable() override { below_->cancel_readable(); }
  void cancel_writable() override { writable_ = {}; }
  const Executor& executor() const override { return below_->executor(); }
  std::string describe() const override { return "collecting"; }

 private:
  std::unique_ptr<Stream> below_;
  Ready writable_;
  std::size_t held_ = 0;
};

CO_TEST(Join, EndsOnlyWhenAcceptedBytesHaveGone) {
  Chain chain(co_await boost::asio::this_coro::executor);
  auto collecting = std::make_unique<Collecting>(std::move(chain.b));
  auto& held = *collecting;
  chain.b = std::move(collecting);
  chain.start();
  auto wrote = co_await write(*chain.client, as_bytes("tail"));
  CO_ASSERT_OK(wrote);
  for (auto* end : {chain.client.get(), chain.server.get()}) {
    auto ended = end->shutdown_send();
    CO_ASSERT_OK(ended);
  }
  for (int i = 0; i < 10; ++i) co_await yield_to_loop();
  EXPECT_FALSE(chain.joined);
  EXPECT_EQ(held.unsent(), 4U);
  held.flush();
  co_await chain.group.join();
  CO_ASSERT_OK(chain.joined->outcome);
}

struct Noter : Inspector {
  std::string forward, backward;
  void passed(Direction direction, ByteView bytes) override {
    (direction == Direction::kForward ? forward : backward) += as_text(bytes);
  }
};

// A reader that takes little at a time: what it has not taken has not passed.
CO_TEST(Join, TellsExactlyWhatHasPassed) {
  Noter noter;
  Chain chain(co_await boost::asio::this_coro::executor, 4);
  StopSignal stop;
  chain.start({.inspector = &noter, .stop = &stop});
  TaskGroup writers(co_await boost::asio::this_coro::executor);
  const std::string answer = "0123456789abcdef";
  std::string got;
  const auto sent = std::make_shared<std::string>(answer);
  writers.spawn("write", [](Stream& to, std::shared_ptr<std::string> what) -> Task<> {
    [[maybe_unused]] const auto wrote = co_await write(to, as_bytes(*what));
  }(*chain.server, sent));
  while (got.size() < 6) {
    const auto piece = co_await read(*chain.client);
    CO_ASSERT_OK(piece);
    got += as_text(piece->data());
    EXPECT_TRUE(answer.starts_with(noter.backward)) << noter.backward;
    EXPECT_GE(noter.backward.size(), got.size());
    EXPECT_LE(noter.backward.size(), got.size() + 4) << "no more than the reader's side holds";
  }
  stop.stop(Error{Code::kUnavailable, "enough"});
  co_await chain.group.join();
  EXPECT_EQ(noter.backward.size(), chain.joined->backward);
  EXPECT_TRUE(noter.forward.empty());
  writers.cancel();
  co_await writers.join();
}

// Lets answers wait until it is told what becomes of them.
class Holding : public Inspector {
 public:
  Result<> inspect(Direction, ByteView) override { return {}; }
  bool must_wait(Direction direction) override { return holds && direction == Direction::kBackward; }
  void may_pass(Direction, std::move_only_function<void(Result<>)> then) override { then_ = std::move(then); }
  bool waits() const { return static_cast<bool>(then_); }
  void tell(Result<> what) { std::exchange(then_, {})(std::move(what)); }
  bool holds = true;

 private:
  std::move_only_function<void(Result<>)> then_;
};

CO_TEST(Join, BytesWaitUntilTheyMayPass) {
  Chain chain(co_await boost::asio::this_coro::executor);
  Holding holding;
  chain.start({.inspector = &holding});
  auto wrote = co_await write(*chain.server, as_bytes("answer"));
  CO_ASSERT_OK(wrote);
  while (!holding.waits()) co_await yield_to_loop();
  // The other direction goes on.
  wrote = co_await write(*chain.client, as_bytes("question"));
  CO_ASSERT_OK(wrote);
  auto got = co_await read(*chain.server);
  EXPECT_EQ(text_of(got), "question");
  auto none = chain.client->try_read();
  CO_ASSERT_OK(none);
  EXPECT_EQ(none->kind, Chunk::Kind::kWait);
  // What comes meanwhile waits behind it.
  wrote = co_await write(*chain.server, as_bytes(" and more"));
  CO_ASSERT_OK(wrote);
  holding.holds = false;
  holding.tell({});
  std::string all;
  while (all.size() < 15) {
    got = co_await read(*chain.client);
    all += text_of(got);
  }
  EXPECT_EQ(all, "answer and more");
  chain.client.reset();
  co_await chain.group.join();
}

CO_TEST(Join, BytesThatMayNotPassEndIt) {
  Chain chain(co_await boost::asio::this_coro::executor);
  Holding holding;
  chain.start({.inspector = &holding});
  const auto wrote = co_await write(*chain.server, as_bytes("answer"));
  CO_ASSERT_OK(wrote);
  while (!holding.waits()) co_await yield_to_loop();
  holding.tell(fail(Code::kIo, "the disk is gone"));
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kIo);
  EXPECT_EQ(chain.joined->backward, 0U);
}

CO_TEST(Join, WhatIsToldAfterItsEndIsNotHeard) {
  Chain chain(co_await boost::asio::this_coro::executor);
  Holding holding;
  StopSignal stop;
  chain.start({.inspector = &holding, .stop = &stop});
  const auto wrote = co_await write(*chain.server, as_bytes("answer"));
  CO_ASSERT_OK(wrote);
  while (!holding.waits()) co_await yield_to_loop();
  stop.stop(Error{Code::kDenied, "revoked"});
  co_await chain.group.join();
  CO_ASSERT_ERROR(chain.joined->outcome, Code::kDenied);
  holding.tell({});
  EXPECT_EQ(chain.joined->backward, 0U);
}

}  // namespace
}  // namespace portolan::net
