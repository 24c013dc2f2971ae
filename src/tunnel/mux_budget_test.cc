// What several links may make a process hold together (budget.h).
#include <gtest/gtest.h>

#include "tunnel/mux_testing.h"

namespace portolan::tunnel {
namespace {

// Until it is stopped.
net::Task<> write_on(net::Stream& stream) {
  const Bytes block(10'000, std::byte{'x'});
  for (;;) {
    const auto written = co_await net::write(stream, block);
    if (!written) co_return;
  }
}

CO_TEST(MuxBudget, LinksThatShareOneHoldNoMoreTogether) {
  const net::Executor executor = co_await net::this_executor();
  const auto shared = std::make_shared<Budget>(Budget{.limit = 400'000});
  const MuxOptions options{.shared = shared, .assured = 50'000};
  net::TaskGroup writers(executor);
  {
    MuxPair one(executor, {}, options);
    MuxPair other(executor, {}, options);
    std::vector<std::pair<std::unique_ptr<MuxStream>, std::unique_ptr<MuxStream>>> streams;
    for (int i = 0; i < 2; ++i) {
      streams.push_back(co_await one.stream());
      streams.push_back(co_await other.stream());
    }
    for (const auto& [near, far] : streams) writers.spawn("writer", write_on(*near));
    std::size_t most = 0;
    for (int i = 0; i < 5'000 && writers.size() == streams.size(); ++i) {
      most = std::max(most, shared->used);
      co_await net::yield_to_loop();
    }
    EXPECT_LT(writers.size(), streams.size()) << "no stream was reset";
    EXPECT_LE(most, 400'000U + 2 * 50'000U);
    std::size_t refused = 0;
    for (const auto& [near, far] : streams)
      if (const auto written = near->try_write(as_bytes("x")); !written) {
        ++refused;
        EXPECT_EQ(written.error().code, Code::kLimit);
      }
    EXPECT_GE(refused, 1U);
    EXPECT_FALSE(one.acceptor.end || other.acceptor.end);
    writers.cancel();
    co_await writers.join();
  }
  EXPECT_EQ(shared->used, 0U);
}

CO_TEST(MuxBudget, AFullOneLeavesALinkWhatItIsAssuredOf) {
  const net::Executor executor = co_await net::this_executor();
  const auto whole = std::make_shared<Budget>(Budget{.limit = 100'000});
  whole->take(100'000);
  const auto share = std::make_shared<Budget>(Budget{.limit = 1'000'000, .whole = whole});
  MuxPair pair(executor, {}, MuxOptions{.shared = share, .assured = 50'000});
  auto [near, far] = co_await pair.stream();
  const Bytes little(40'000);
  for (int i = 0; i < 3; ++i) {
    CO_ASSERT_OK(co_await net::write(*near, little));
    std::size_t got = 0;
    while (got < little.size()) {
      const auto buffer = co_await net::read(*far);
      CO_ASSERT_OK(buffer);
      got += buffer->size();
    }
  }
  CO_ASSERT_OK(co_await net::write(*near, little));
  co_await pair.settle();
  EXPECT_EQ(pair.acceptor.mux->buffered(), little.size());
  CO_ASSERT_OK(co_await net::write(*near, little));
  co_await pair.settle();
  const auto beyond = far->try_read();
  CO_ASSERT_ERROR(beyond, Code::kLimit);
  EXPECT_EQ(pair.acceptor.mux->buffered(), 0U);
  EXPECT_FALSE(pair.acceptor.end.has_value());
}

// A link on which streams of many people run.
CO_TEST(MuxBudget, AStreamIsChargedToWhomItIsFor) {
  const net::Executor executor = co_await net::this_executor();
  const auto greedy = std::make_shared<Budget>(Budget{.limit = 100'000});
  const auto modest = std::make_shared<Budget>(Budget{.limit = 100'000});
  MuxPair pair(executor, MuxOptions{.assured = 0});
  const auto first = pair.opener.mux->open({"n-test", {}, greedy});
  const auto second = pair.opener.mux->open({"n-test", {}, modest});
  CO_ASSERT_TRUE(first && second);
  const auto first_request = co_await pair.acceptor.next();
  const auto second_request = co_await pair.acceptor.next();
  CO_ASSERT_TRUE(first_request && second_request);
  const auto first_far = first_request->accept();
  const auto second_far = second_request->accept();
  net::TaskGroup writers(executor);
  writers.spawn("writer", write_on(*first_far));
  co_await writers.join();
  EXPECT_LE(greedy->used, 100'000U);
  const Bytes little(50'000);
  CO_ASSERT_OK(co_await net::write(*second_far, little));
  co_await pair.settle();
  EXPECT_EQ(pair.opener.mux->buffered(), little.size());
  EXPECT_GE(modest->used, little.size());
  const auto reset = (*first)->try_read();
  CO_ASSERT_ERROR(reset, Code::kLimit);
}

// Their headers are kept while they are not answered.
CO_TEST(MuxBudget, RequestsAreChargedToo) {
  const net::Executor executor = co_await net::this_executor();
  const auto shared = std::make_shared<Budget>(Budget{.limit = 200'000});
  MuxPair pair(executor, {}, MuxOptions{.shared = shared});
  const std::string large(10'000, 'x');
  std::vector<std::unique_ptr<MuxStream>> streams;
  std::size_t refused = 0;
  for (int i = 0; i < 40; ++i) {
    auto stream = pair.opener.mux->open({"n-test", {{"portolan-large", large}}});
    CO_ASSERT_OK(stream);
    co_await pair.settle();
    const auto written = (*stream)->try_write(as_bytes("x"));
    if (!written) {
      ++refused;
      EXPECT_EQ(written.error().code, Code::kLimit);
    }
    streams.push_back(std::move(*stream));
  }
  EXPECT_EQ(pair.acceptor.requests.size(), 40 - refused);
  EXPECT_GE(refused, 15U);
  EXPECT_LE(refused, 24U);
  pair.acceptor.requests.clear();
  co_await pair.settle();
  EXPECT_LE(shared->used, 1'000U);
}

// A link that carries the streams of many.
CO_TEST(MuxBudget, AStreamIsChargedToWhoseItIs) {
  const net::Executor executor = co_await net::this_executor();
  const auto whole = std::make_shared<Budget>(Budget{.limit = 1'000'000});
  const auto share = std::make_shared<Budget>(Budget{.limit = 100'000, .whole = whole});
  {
    MuxPair pair(executor, {}, MuxOptions{.shared = whole, .assured = 0});
    auto near = pair.opener.mux->open({"n-test"});
    CO_ASSERT_OK(near);
    CO_ASSERT_OK(co_await net::write(**near, Bytes(30'000)));
    const auto request = co_await pair.acceptor.next();
    co_await pair.settle();
    const std::size_t before = whole->used;
    EXPECT_GE(before, 30'000U);
    request->charge(share);
    EXPECT_EQ(share->used, before) << "with what has come already";
    EXPECT_EQ(whole->used, before);
    const auto far = request->accept();
    net::TaskGroup writers(executor);
    writers.spawn("writer", write_on(**near));
    for (int i = 0; i < 5'000 && writers.size() > 0; ++i) co_await net::yield_to_loop();
    EXPECT_EQ(writers.size(), 0U) << "the stream is reset at the limit of its share";
    EXPECT_LE(share->used, 100'000U);
    writers.cancel();
    co_await writers.join();
  }
  EXPECT_EQ(share->used, 0U);
  EXPECT_EQ(whole->used, 0U);
}

}  // namespace
}  // namespace portolan::tunnel
