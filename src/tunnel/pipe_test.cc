#include "tunnel/pipe.h"

#include <gtest/gtest.h>

#include "net/join.h"
#include "tunnel/attach.h"
#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

constexpr PipeOptions kQuick{.suspicion = 100ms, .probe_after = 200ms, .silence_limit = 600ms, .grace = 300ms};

net::Task<> carry(std::unique_ptr<net::Stream> near, std::unique_ptr<net::Stream> far) {
  [[maybe_unused]] const auto joined = co_await net::join(*near, *far, {});
}

// Two muxes on the two ends of a pipe, and the link between these, which can be cut.
struct PipeWorld {
  explicit PipeWorld(const net::Executor& on, PipeOptions options = kQuick)
      : executor(on),
        near(std::make_shared<Pipe>(on, Pipe::Role::kDialler, PipeId{}, Bytes(32), options, budget)),
        far(std::make_shared<Pipe>(on, Pipe::Role::kAcceptor, PipeId{}, Bytes(32), options, budget)),
        opener(on),
        acceptor(on),
        carriers(on),
        attaching(on) {}
  ~PipeWorld() {
    opener.mux.reset();
    acceptor.mux.reset();
  }

  net::Executor executor;
  const std::shared_ptr<Budget> budget = std::make_shared<Budget>();
  std::shared_ptr<Pipe> near, far;
  MuxEnd opener, acceptor;
  net::TaskGroup carriers, attaching;
  Result<> answered = fail(Code::kInternal, "not run");

  void start() {
    const MuxOptions quiet{.probe_after = 0ms, .drained_limit = 0ms};
    opener.start(near->top("near"), Mux::Role::kOpener, quiet);
    acceptor.start(far->top("far"), Mux::Role::kAcceptor, quiet);
  }
  net::Task<> answer(std::unique_ptr<net::Stream> stream, Bytes binding) {
    auto reader = std::make_unique<net::Reader>(*stream);
    FreshLink link{std::move(stream), std::move(reader), binding};
    const auto attach = co_await read_attach(link, 1s);
    if (!attach) co_return;
    Bytes rest = link.reader->take_rest();
    answered = {};
    if (const auto taken = far->take(*attach, binding, link.stream, std::move(rest)); !taken)
      co_await refuse_attach(std::move(link.stream), taken.error());
  }
  net::Task<Result<>> link() {
    auto [a, b] = net::memory_pair(executor);
    auto [c, d] = net::memory_pair(executor);
    carriers.spawn("carry", carry(std::move(b), std::move(c)));
    const Bytes binding(32, std::byte{5});
    attaching.spawn("answer", answer(std::move(d), binding));
    auto reader = std::make_unique<net::Reader>(*a);
    co_return co_await attach(near, FreshLink{std::move(a), std::move(reader), binding}, 1s);
  }
  net::Task<> cut() {
    carriers.cancel();
    co_await carriers.join();
  }
  net::Task<> stop() {
    opener.mux.reset();
    acceptor.mux.reset();
    co_await cut();
    co_await attaching.join();
  }
};

net::Task<> write_all(std::shared_ptr<MuxStream> stream, Bytes bytes) {
  const auto written = co_await net::write(*stream, bytes);
  EXPECT_TRUE(written.has_value());
  const auto ended = stream->shutdown_send();
  EXPECT_TRUE(ended.has_value());
}

CO_TEST(Pipe, AStreamGoesOnOverOneLinkAfterAnother) {
  PipeWorld world(co_await net::this_executor(), {});
  const auto first = co_await world.link();
  CO_ASSERT_OK(first);
  world.start();
  auto opened = world.opener.mux->open({"rs-test"});
  CO_ASSERT_OK(opened);
  const auto request = co_await world.acceptor.next();
  CO_ASSERT_TRUE(request != nullptr);
  std::shared_ptr<MuxStream> far = request->accept();
  std::shared_ptr<MuxStream> near = std::move(*opened);
  std::mt19937 random(1);
  const Bytes there = random_bytes(random, 6'000'000);
  const Bytes back = random_bytes(random, 5'000'000);
  net::TaskGroup writers(world.executor);
  writers.spawn("there", write_all(near, there));
  writers.spawn("back", write_all(far, back));
  Bytes read_far, read_near;
  std::size_t cuts = 0;
  while (read_far.size() < there.size() || read_near.size() < back.size()) {
    for (auto [stream, into] : {std::pair(near, &read_near), std::pair(far, &read_far)}) {
      auto chunk = stream->try_read();
      CO_ASSERT_OK(chunk);
      if (chunk->kind == net::Chunk::Kind::kData)
        into->insert(into->end(), chunk->buffer.data().begin(), chunk->buffer.data().end());
    }
    co_await net::yield_to_loop();
    if ((read_far.size() + read_near.size()) / 300'000 <= cuts) continue;
    ++cuts;
    co_await world.cut();
    const auto linked = co_await world.link();
    CO_ASSERT_OK(linked);
  }
  EXPECT_GT(cuts, 30U);
  EXPECT_TRUE(read_far == there);
  EXPECT_TRUE(read_near == back);
  co_await writers.join();
  near.reset();
  far.reset();
  co_await world.stop();
}

CO_TEST(Pipe, WithoutALinkForTheGraceTimeItEndsAndSaysSo) {
  PipeWorld world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.link());
  world.start();
  co_await world.cut();
  const Error near = co_await world.opener.ended();
  EXPECT_EQ(near.reason, kPipeTimedOut);
  const Error far = co_await world.acceptor.ended();
  EXPECT_EQ(far.reason, kPipeTimedOut);
  co_await world.stop();
}

CO_TEST(Pipe, SaysHowLongItWaits) {
  PipeWorld world(co_await net::this_executor());
  CO_ASSERT_OK(co_await world.link());
  world.start();
  EXPECT_FALSE(world.near->time_left());
  EXPECT_FALSE(world.near->wants_link());
  co_await world.cut();
  for (int i = 0; i < 100 && world.near->attached(); ++i) co_await net::yield_to_loop();
  EXPECT_TRUE(world.near->wants_link());
  CO_ASSERT_TRUE(world.near->time_left().has_value());
  EXPECT_LE(*world.near->time_left(), 300ms);
  co_await world.stop();
}

CO_TEST(Pipe, APeerThatHasForgottenItRefuses) {
  PipeWorld world(co_await net::this_executor(), {});
  CO_ASSERT_OK(co_await world.link());
  world.start();
  co_await world.cut();
  world.acceptor.mux.reset();
  const auto again = co_await world.link();
  CO_ASSERT_ERROR(again, Code::kIo);
  EXPECT_EQ(again.error().reason, kPipeUnknown);
  co_await world.stop();
}

CO_TEST(Pipe, ALinkThatFallsSilentIsSuspectedAndThenGivenUp) {
  PipeWorld world(co_await net::this_executor());
  auto [a, b] = net::memory_pair(world.executor);
  auto reader = std::make_unique<net::Reader>(*a);
  auto far_reader = std::make_unique<net::Reader>(*b);
  const Bytes binding(32);
  world.attaching.spawn("answer", world.answer(std::move(b), binding));
  CO_ASSERT_OK(co_await attach(world.near, FreshLink{std::move(a), std::move(reader), binding}, 1s));
  net::Event changed(world.executor);
  world.near->on_change([&] { changed.set(); });
  // Nobody reads at the far end.
  world.opener.start(world.near->top("near"), Mux::Role::kOpener, MuxOptions{.probe_after = 0ms});
  while (!world.near->wants_link()) CO_ASSERT_OK(co_await changed.wait(5s));
  EXPECT_TRUE(world.near->attached());
  while (world.near->attached()) CO_ASSERT_OK(co_await changed.wait(5s));
  co_await world.stop();
}

CO_TEST(Pipe, ClosingTheMuxEndsThePipeAtTheOtherEndAtOnce) {
  PipeWorld world(co_await net::this_executor(), {});
  CO_ASSERT_OK(co_await world.link());
  world.start();
  world.opener.mux->close(Error{Code::kDenied, "enough", "revoked", Hop::kGateway});
  const Error far = co_await world.acceptor.ended();
  EXPECT_TRUE(far.message.ends_with("enough")) << far.message;
  co_await world.stop();
}

CO_TEST(Pipe, DestroyingTheMuxEndsThePipeAtTheOtherEndAtOnce) {
  PipeWorld world(co_await net::this_executor(), {});
  CO_ASSERT_OK(co_await world.link());
  world.start();
  world.opener.mux.reset();
  [[maybe_unused]] const Error far = co_await world.acceptor.ended();
  EXPECT_TRUE(world.far->over());
  co_await world.stop();
}

CO_TEST(Pipe, AnIdlePipeHoldsNoBlock) {
  PipeWorld world(co_await net::this_executor(), {});
  CO_ASSERT_OK(co_await world.link());
  world.start();
  CO_ASSERT_OK(co_await net::sleep_for(100ms));
  EXPECT_EQ(world.budget->used, 0U);
  EXPECT_EQ(net::blocks_in_use(), 0U);
  co_await world.stop();
}

CO_TEST(Pipe, AStoppedReaderStopsItsWriterAndNobodyElse) {
  PipeWorld world(co_await net::this_executor(), {});
  CO_ASSERT_OK(co_await world.link());
  world.start();
  auto stopped = world.opener.mux->open({"rs-stopped"});
  auto other = world.opener.mux->open({"rs-other"});
  CO_ASSERT_TRUE(stopped && other);
  const auto first = co_await world.acceptor.next();
  const auto second = co_await world.acceptor.next();
  CO_ASSERT_TRUE(first && second);
  auto unread = first->accept();
  auto read = second->accept();
  std::size_t accepted = 0;
  const Bytes much(100'000);
  for (int i = 0; i < 2000; ++i) {
    auto n = (*stopped)->try_write(much);
    CO_ASSERT_OK(n);
    accepted += *n;
    co_await net::yield_to_loop();
  }
  EXPECT_LE(accepted, 1'000'000U);
  CO_ASSERT_OK(co_await net::write(**other, as_bytes("still here")));
  const auto got = co_await read_some(*read);
  CO_ASSERT_OK(got);
  EXPECT_EQ(*got, "still here");
  co_await world.stop();
}

// A stream that the opener has ended, on a link that it has drained: what remains is for the acceptor to say.
struct LastStream {
  std::unique_ptr<MuxStream> near, far;
};
net::Task<Result<LastStream>> last_stream(PipeWorld& world) {
  CO_CHECK(co_await world.link());
  world.start();
  CO_TRY(auto near, world.opener.mux->open({"rs-test"}));
  const auto request = co_await world.acceptor.next();
  if (!request) co_return fail(Code::kInternal, "no stream arrived");
  auto far = request->accept();
  CO_CHECK(co_await near->answered(kSoon));
  CO_CHECK(near->shutdown_send());
  world.opener.mux->drain();
  CO_TRY(const auto end, co_await net::read(*far));
  if (!end.empty()) co_return fail(Code::kInternal, "no end arrived");
  for (int i = 0; i < 50; ++i) co_await net::yield_to_loop();
  co_return LastStream{std::move(near), std::move(far)};
}

// Over a new link.
net::Task<> expect_last_words(PipeWorld& world, LastStream& last) {
  EXPECT_FALSE(world.far->over());
  const auto linked = co_await world.link();
  EXPECT_TRUE(linked.has_value());
  const auto words = co_await net::with_timeout(read_all(*last.near), kSoon);
  EXPECT_TRUE(words.has_value());
  if (words) EXPECT_EQ(as_text(*words), "the last words");
  const Error far = co_await world.acceptor.ended();
  EXPECT_EQ(far.code, Code::kUnavailable) << far.message;
  [[maybe_unused]] const Error near = co_await world.opener.ended();
  co_await world.stop();
}

CO_TEST(Pipe, WhatTheLastStreamSaysWithoutALinkIsNotLost) {
  PipeWorld world(co_await net::this_executor(), {});
  auto last = co_await last_stream(world);
  CO_ASSERT_OK(last);
  co_await world.cut();
  for (int i = 0; i < 100 && world.far->attached(); ++i) co_await net::yield_to_loop();
  CO_ASSERT_OK(co_await net::write(*last->far, as_bytes("the last words")));
  CO_ASSERT_OK(last->far->shutdown_send());
  CO_ASSERT_OK(co_await net::sleep_for(1200ms));  // longer than a goodbye
  co_await expect_last_words(world, *last);
}

CO_TEST(Pipe, WhatTheLastStreamHasGivenToALinkThatBreaksIsNotLost) {
  PipeWorld world(co_await net::this_executor(), {});
  auto last = co_await last_stream(world);
  CO_ASSERT_OK(last);
  auto [unread, link] = net::memory_pair(world.executor);
  const Bytes binding(32, std::byte{7});
  CO_ASSERT_TRUE(world.far->take(world.near->propose(binding), binding, link, {}).has_value());
  CO_ASSERT_OK(co_await net::write(*last->far, as_bytes("the last words")));
  CO_ASSERT_OK(last->far->shutdown_send());
  for (int i = 0; i < 100; ++i) co_await net::yield_to_loop();
  unread.reset();
  for (int i = 0; i < 100 && world.far->attached(); ++i) co_await net::yield_to_loop();
  co_await expect_last_words(world, *last);
}

// But who is denied does not keep it until the grace time ends.
CO_TEST(Pipe, ADrainedMuxThatIsClosedDoesNotWaitForALink) {
  PipeWorld world(co_await net::this_executor(), {});
  auto last = co_await last_stream(world);
  CO_ASSERT_OK(last);
  co_await world.cut();
  CO_ASSERT_OK(last->far->shutdown_send());
  for (int i = 0; i < 100; ++i) co_await net::yield_to_loop();
  EXPECT_FALSE(world.acceptor.end.has_value());
  world.acceptor.mux->close(Error{Code::kDenied, "enough", "revoked", Hop::kEgress});
  [[maybe_unused]] const Error end = co_await world.acceptor.ended();
  EXPECT_TRUE(world.far->over());
  co_await world.stop();
}

// A link that gives what a test says, and takes everything.
class ScriptedLink final : public net::Stream {
 public:
  ScriptedLink(net::Executor executor, std::function<Result<net::Chunk>()> give)
      : executor_(std::move(executor)), give_(std::move(give)) {}
  Result<net::Chunk> try_read() override { return give_(); }
  Result<std::size_t> try_write(ByteView bytes) override { return bytes.size(); }
  Result<> shutdown_send() override { return {}; }
  std::size_t unsent() const override { return 0; }
  void on_readable(Ready ready) override { net::post(executor_, std::move(ready)); }
  void on_writable(Ready ready) override { net::post(executor_, std::move(ready)); }
  void cancel_readable() override {}
  void cancel_writable() override {}
  const net::Executor& executor() const override { return executor_; }
  std::string describe() const override { return "scripted"; }

 private:
  net::Executor executor_;
  std::function<Result<net::Chunk>()> give_;
};

net::Chunk a_block_of_pings() {
  ByteWriter pings;
  while (pings.size() + kPipeHead + 8 <= net::kBlockSize) {
    pings.bytes(encode_pipe_head(PipeFrame::kPing, 8));
    pings.u64(1);
  }
  return net::Chunk{net::Chunk::Kind::kData, net::Buffer::copy_of(pings.view())};
}

CO_TEST(Pipe, APeerThatOnlyPingsDoesNotKeepTheLoop) {
  const auto executor = co_await net::this_executor();
  const auto budget = std::make_shared<Budget>();
  const auto near = std::make_shared<Pipe>(executor, Pipe::Role::kDialler, PipeId{}, Bytes(32), kQuick, budget);
  const auto far = std::make_shared<Pipe>(executor, Pipe::Role::kAcceptor, PipeId{}, Bytes(32), kQuick, budget);
  const Bytes binding(32);
  int reads = 0;
  // They stop at last, so that the test does.
  std::unique_ptr<net::Stream> link = std::make_unique<ScriptedLink>(
      executor, [&reads]() -> Result<net::Chunk> { return ++reads > 10'000 ? net::Chunk{} : a_block_of_pings(); });
  CO_ASSERT_TRUE(far->take(near->propose(binding), binding, link, {}).has_value());
  auto top = far->top("far");
  const auto chunk = top->try_read();
  CO_ASSERT_OK(chunk);
  EXPECT_TRUE(chunk->kind == net::Chunk::Kind::kWait);
  EXPECT_LE(reads, 8);
  // And then it goes on: others have had their turn.
  CO_ASSERT_OK(co_await net::with_timeout(net::wait_readable(*top), 1s));
  top.reset();
  for (int i = 0; i < 3; ++i) co_await net::yield_to_loop();
}

// As releases do that leave as soon as they have read the end.
CO_TEST(Pipe, APeerThatHasEndedAndLeavesIsNotWaitedFor) {
  const auto executor = co_await net::this_executor();
  const auto budget = std::make_shared<Budget>();
  const auto near = std::make_shared<Pipe>(executor, Pipe::Role::kDialler, PipeId{}, Bytes(32), kQuick, budget);
  const auto far = std::make_shared<Pipe>(executor, Pipe::Role::kAcceptor, PipeId{}, Bytes(32), kQuick, budget);
  ByteWriter words;
  words.bytes(encode_pipe_head(PipeFrame::kEnd, 8));
  words.u64(0);
  words.bytes(encode_pipe_head(PipeFrame::kGone, 0));
  const Bytes binding(32);
  std::unique_ptr<net::Stream> link =
      std::make_unique<ScriptedLink>(executor, [text = words.take(), said = false]() mutable -> Result<net::Chunk> {
        if (std::exchange(said, true)) return net::Chunk{};
        return net::Chunk{net::Chunk::Kind::kData, net::Buffer::copy_of(text)};
      });
  CO_ASSERT_TRUE(far->take(near->propose(binding), binding, link, {}).has_value());
  auto top = far->top("far");
  const auto finished = co_await net::finish(*top, 5s);
  EXPECT_TRUE(finished || finished.error().code != Code::kTimeout);
  EXPECT_TRUE(far->over());
  top.reset();
  for (int i = 0; i < 3; ++i) co_await net::yield_to_loop();
}

CO_TEST(Pipe, WhoIsOnTheWayCannotSayThatThePipeIsUnknown) {
  const auto executor = co_await net::this_executor();
  const auto pipe =
      std::make_shared<Pipe>(executor, Pipe::Role::kDialler, PipeId{}, Bytes(32), kQuick, std::make_shared<Budget>());
  auto link = std::make_unique<ScriptedLink>(executor, []() -> Result<net::Chunk> {
    return std::unexpected(Error{Code::kIo, "it was restarted, believe me", std::string(kPipeUnknown), Hop::kEgress});
  });
  auto reader = std::make_unique<net::Reader>(*link);
  const auto attached = co_await attach(pipe, FreshLink{std::move(link), std::move(reader), Bytes(32)}, 1s);
  CO_ASSERT_ERROR(attached, Code::kIo);
  EXPECT_EQ(attached.error().reason, "");
  EXPECT_FALSE(pipe->over());
}

}  // namespace
}  // namespace portolan::tunnel
