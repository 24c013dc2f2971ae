#include "net/stream.h"

#include <boost/asio/this_coro.hpp>

#include "net/co_test.h"
#include "net/memory_stream.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;

Task<> write_all(Stream& stream, Bytes bytes, Result<>& result) { result = co_await write(stream, bytes); }

Task<> note_read(Stream& stream, Result<Buffer>& result) { result = co_await read(stream); }

std::string text_of(const Buffer& buffer) { return std::string(as_text(buffer.data())); }

TEST(Buffer, GivesItsBlockBack) {
  const auto before = blocks_in_use();
  {
    auto buffer = Buffer::copy_of(as_bytes("hello"));
    EXPECT_EQ(blocks_in_use(), before + 1);
    buffer.consume(2);
    EXPECT_EQ(text_of(buffer), "llo");
    auto other = std::move(buffer);
    EXPECT_FALSE(buffer.has_block());  // NOLINT(bugprone-use-after-move): emptied by contract
    other.consume(3);
    EXPECT_FALSE(other.has_block());
    EXPECT_EQ(blocks_in_use(), before);
    EXPECT_TRUE(other.spare().empty());
    other = Buffer::take();
    EXPECT_EQ(other.spare().size(), kBlockSize);
  }
  EXPECT_EQ(blocks_in_use(), before);
  EXPECT_FALSE(Buffer::copy_of({}).has_block());
}

CO_TEST(MemoryStream, CarriesBytesAndHalfCloses) {
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  auto nothing = b->try_read();
  CO_ASSERT_OK(nothing);
  EXPECT_EQ(nothing->kind, Chunk::Kind::kWait);
  auto wrote = co_await write(*a, as_bytes("ping"));
  CO_ASSERT_OK(wrote);
  auto finished = co_await finish(*a, 1s);
  CO_ASSERT_OK(finished);
  auto got = co_await read(*b);
  CO_ASSERT_OK(got);
  EXPECT_EQ(text_of(*got), "ping");
  auto end = co_await read(*b);
  CO_ASSERT_OK(end);
  EXPECT_TRUE(end->empty());
  // the other direction lives on
  wrote = co_await write(*b, as_bytes("pong"));
  CO_ASSERT_OK(wrote);
  got = co_await read(*a);
  CO_ASSERT_OK(got);
  EXPECT_EQ(text_of(*got), "pong");
  wrote = co_await write(*a, as_bytes("more"));
  CO_ASSERT_ERROR(wrote, Code::kInternal);
}

CO_TEST(MemoryStream, AStoppedReaderStopsItsWriter) {
  const auto before = blocks_in_use();
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor, 40'000);
  Result<> wrote = fail(Code::kInternal, "not done");
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("writer", write_all(*a, Bytes(100'000), wrote));
  for (int i = 0; i < 5; ++i) co_await yield_to_loop();
  EXPECT_EQ(group.size(), 1U);
  auto refused = a->try_write(as_bytes("x"));
  CO_ASSERT_OK(refused);
  EXPECT_EQ(*refused, 0U);
  std::size_t received = 0;
  while (received < 100'000) {
    auto got = co_await read(*b);
    if (!got) break;
    received += got->size();
  }
  co_await group.join();
  CO_ASSERT_OK(wrote);
  EXPECT_EQ(received, 100'000U);
  EXPECT_EQ(blocks_in_use(), before);
}

CO_TEST(MemoryStream, DestructionIsSeenAfterWhatWasWritten) {
  auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  auto wrote = co_await write(*a, as_bytes("last words"));
  CO_ASSERT_OK(wrote);
  a.reset();
  auto got = co_await read(*b);
  CO_ASSERT_OK(got);
  EXPECT_EQ(text_of(*got), "last words");
  got = co_await read(*b);
  CO_ASSERT_ERROR(got, Code::kIo);
  EXPECT_EQ(got.error().message, "peer closed");
  wrote = co_await write(*b, as_bytes("x"));
  CO_ASSERT_ERROR(wrote, Code::kIo);
}

CO_TEST(MemoryStream, DestructionAfterHalfCloseIsAnEnd) {
  auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  auto ended = a->shutdown_send();
  CO_ASSERT_OK(ended);
  a.reset();
  auto got = co_await read(*b);
  CO_ASSERT_OK(got);
  EXPECT_TRUE(got->empty());
}

CO_TEST(MemoryStream, DestructionWakesTheWaiters) {
  auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor, 1);
  auto first = a->try_write(as_bytes("x"));
  CO_ASSERT_OK(first);
  Result<> wrote;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("writer", write_all(*a, Bytes(10), wrote));
  co_await yield_to_loop();
  b.reset();
  co_await group.join();
  CO_ASSERT_ERROR(wrote, Code::kIo);
}

CO_TEST(MemoryStream, CallsBackFromTheLoopOnly) {
  auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  int calls = 0;
  a->on_writable([&] { ++calls; });
  EXPECT_EQ(calls, 0);
  co_await yield_to_loop();
  EXPECT_EQ(calls, 1);
  a->on_writable([&] { ++calls; });
  a->cancel_writable();
  co_await yield_to_loop();
  EXPECT_EQ(calls, 1);
  a->on_writable([&] { calls += 10; });  // replaced before its call, which is on its way
  a->on_writable([&] { calls += 100; });
  co_await yield_to_loop();
  EXPECT_EQ(calls, 101);
  b->on_readable([&] { calls += 1000; });
  auto accepted = a->try_write(as_bytes("x"));
  CO_ASSERT_OK(accepted);
  b.reset();  // after destruction: never
  co_await yield_to_loop();
  EXPECT_EQ(calls, 101);
}

CO_TEST(Stream, CancellationEndsAReadWithAResult) {
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  Result<Buffer> got;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("reader", note_read(*b, got));
  co_await yield_to_loop();
  group.cancel();
  co_await group.join();
  CO_ASSERT_ERROR(got, Code::kCancelled);
  // nobody waits any more, and the stream is as good as before
  auto wrote = co_await write(*a, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  got = co_await read(*b);
  CO_ASSERT_OK(got);
  EXPECT_EQ(text_of(*got), "x");
}

CO_TEST(Stream, ReadEndsAtItsDeadline) {
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  auto got = co_await with_timeout(read(*b), 5ms);
  CO_ASSERT_ERROR(got, Code::kTimeout);
}

Task<> count_turns(int& turns, const bool& stop) {
  while (!stop) {
    ++turns;
    co_await yield_to_loop();
  }
}

CO_TEST(Stream, AReaderThatAlwaysFindsDataLetsOthersRun) {
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor, 1000);
  int turns = 0;
  bool stop = false;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  group.spawn("other", count_turns(turns, stop));
  for (int i = 0; i < 1000; ++i) {
    auto accepted = a->try_write(as_bytes("x"));
    CO_ASSERT_OK(accepted);
    auto got = co_await read(*b);
    if (!got) break;
  }
  stop = true;
  EXPECT_GT(turns, 10);
  co_await group.join();
}

CO_TEST(Reader, FillsConsumesAndTakes) {
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor, 3);
  Result<> wrote;
  TaskGroup group(co_await boost::asio::this_coro::executor);
  const auto text = as_bytes("0123456789");
  group.spawn("writer", write_all(*a, Bytes(text.begin(), text.end()), wrote));
  Reader reader(*b);
  auto filled = co_await reader.fill(5);
  CO_ASSERT_OK(filled);
  EXPECT_EQ(as_text(reader.data()).substr(0, 5), "01234");
  reader.consume(2);
  auto taken = co_await reader.take(4);
  CO_ASSERT_OK(taken);
  EXPECT_EQ(as_text(*taken), "2345");
  filled = co_await reader.fill(4);
  CO_ASSERT_OK(filled);
  EXPECT_EQ(as_text(reader.take_rest()), "6789");
  EXPECT_TRUE(reader.empty());
  co_await group.join();
  auto ended = a->shutdown_send();
  CO_ASSERT_OK(ended);
  filled = co_await reader.fill(1);
  CO_ASSERT_ERROR(filled, Code::kEof);
}

CO_TEST(Reader, TellsAnEndInTheMiddle) {
  const auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  auto wrote = co_await write(*a, as_bytes("abc"));
  CO_ASSERT_OK(wrote);
  auto ended = a->shutdown_send();
  CO_ASSERT_OK(ended);
  Reader reader(*b);
  auto filled = co_await reader.fill(4);
  CO_ASSERT_ERROR(filled, Code::kEof);
  EXPECT_EQ(filled.error().message, "stream ended too early");
  EXPECT_EQ(as_text(reader.data()), "abc");
}

CO_TEST(Prepend, YieldsTheHeadFirst) {
  auto [a, b] = memory_pair(co_await boost::asio::this_coro::executor);
  const Bytes head(40'000, std::byte{'h'});
  const auto joined = prepend(head, std::move(b));
  auto wrote = co_await write(*a, as_bytes("tail"));
  CO_ASSERT_OK(wrote);
  auto waited = co_await wait_readable(*joined);
  CO_ASSERT_OK(waited);
  Reader reader(*joined);
  auto taken = co_await reader.take(40'000);
  CO_ASSERT_OK(taken);
  EXPECT_EQ(*taken, head);
  taken = co_await reader.take(4);
  CO_ASSERT_OK(taken);
  EXPECT_EQ(as_text(*taken), "tail");
  wrote = co_await write(*joined, as_bytes("answer"));
  CO_ASSERT_OK(wrote);
  auto answer = co_await read(*a);
  CO_ASSERT_OK(answer);
  EXPECT_EQ(text_of(*answer), "answer");
}

}  // namespace
}  // namespace portolan::net
