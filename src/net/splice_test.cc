#include "net/splice.h"

#include <csignal>

#include "base/id.h"
#include "net/co_test.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;

struct Pair {
  std::unique_ptr<TcpStream> client, server;
};

Task<Result<Pair>> connected() {
  Pair pair;
  CO_TRY(const auto listener, listen_tcp(co_await this_executor(), {"127.0.0.1", 0},
                                         [&](std::unique_ptr<TcpStream> stream) { pair.server = std::move(stream); }));
  CO_TRY(pair.client, co_await dial_tcp(listener->local(), 5s));
  while (!pair.server) co_await yield_to_loop();
  co_return pair;
}

Task<> splice_and_note(TcpStream& a, TcpStream& b, StopSignal* stop, std::optional<Joined>& joined) {
  joined = co_await splice(a, b, stop);
}

// left.client ⇄ left.server ⇄ (spliced) ⇄ right.client ⇄ right.server
struct Chain {
  Pair left, right;
  StopSignal stop;
  std::optional<Joined> joined;
  TaskGroup group;

  Chain(const Executor& executor, Pair one, Pair other)
      : left(std::move(one)), right(std::move(other)), group(executor) {
    std::signal(SIGPIPE, SIG_IGN);  // as every part of ours does
    group.spawn("splice", splice_and_note(*left.server, *right.client, &stop, joined));
  }
  Stream& near() { return *left.client; }
  Stream& far() { return *right.server; }
};

Task<Result<std::unique_ptr<Chain>>> chain() {
  CO_TRY(auto left, co_await connected());
  CO_TRY(auto right, co_await connected());
  const auto executor = co_await this_executor();
  co_return std::make_unique<Chain>(executor, std::move(left), std::move(right));
}

CO_TEST(Splice, CopiesBothWaysAndHalfCloses) {
  auto made = co_await chain();
  CO_ASSERT_OK(made);
  Chain& on = **made;
  CO_ASSERT_OK(co_await write(on.near(), as_bytes("question")));
  auto got = co_await read(on.far());
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "question");
  CO_ASSERT_OK(on.near().shutdown_send());
  got = co_await read(on.far());
  CO_ASSERT_OK(got);
  EXPECT_TRUE(got->empty());
  EXPECT_FALSE(on.joined);
  CO_ASSERT_OK(co_await write(on.far(), as_bytes("answer")));
  CO_ASSERT_OK(on.far().shutdown_send());
  got = co_await read(on.near());
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "answer");
  got = co_await read(on.near());
  CO_ASSERT_OK(got);
  EXPECT_TRUE(got->empty());
  co_await on.group.join();
  CO_ASSERT_TRUE(on.joined.has_value());
  CO_ASSERT_OK(on.joined->outcome);
  EXPECT_EQ(on.joined->forward, 8U);
  EXPECT_EQ(on.joined->backward, 6U);
}

Task<> write_all(Stream& to, Bytes bytes, bool& done) {
  const auto wrote = co_await write(to, bytes);
  done = wrote.has_value() && to.shutdown_send().has_value();
}

CO_TEST(Splice, PassesMuchInOrder) {
  auto made = co_await chain();
  CO_ASSERT_OK(made);
  Chain& on = **made;
  Bytes sent(24U * 1024 * 1024);
  fill_random(sent);
  bool done = false;
  on.group.spawn("write", write_all(on.near(), sent, done));
  Bytes received;
  for (;;) {
    auto got = co_await read(on.far());
    CO_ASSERT_OK(got);
    if (got->empty()) break;
    received.insert(received.end(), got->data().begin(), got->data().end());
  }
  EXPECT_TRUE(done);
  EXPECT_TRUE(received == sent);
  on.group.cancel();
  co_await on.group.join();
}

// What waits in the gateway for a reader that has stopped is what the kernel's buffers hold, however much comes.
CO_TEST(Splice, AReaderThatStopsMakesItsWriterStop) {
  auto made = co_await chain();
  CO_ASSERT_OK(made);
  Chain& on = **made;
  const Bytes piece(64U * 1024);
  std::size_t accepted = 0;
  for (int idle = 0; idle < 100;) {
    const auto wrote = on.near().try_write(piece);
    CO_ASSERT_OK(wrote);
    accepted += *wrote;
    idle = *wrote == 0 ? idle + 1 : 0;
    if (*wrote == 0) {
      [[maybe_unused]] const auto waited = co_await with_timeout(wait_writable(on.near()), 10ms);
    }
    CO_ASSERT_TRUE(accepted < 256U * 1024 * 1024);
  }
  std::size_t received = 0;
  while (received < accepted) {
    auto got = co_await read(on.far());
    CO_ASSERT_OK(got);
    received += got->data().size();
  }
  EXPECT_EQ(received, accepted);
  on.group.cancel();
  co_await on.group.join();
}

CO_TEST(Splice, EndsWhenOneSideIsReset) {
  auto made = co_await chain();
  CO_ASSERT_OK(made);
  Chain& on = **made;
  CO_ASSERT_OK(co_await write(on.near(), as_bytes("unread")));
  on.right.server.reset();  // with bytes unread, or on the way: a reset
  while (!on.joined) {
    // Whoever writes to what is gone is what finds out, at the latest.
    [[maybe_unused]] const auto wrote = on.near().try_write(as_bytes("more"));
    co_await yield_to_loop();
  }
  EXPECT_FALSE(on.joined->outcome);
}

CO_TEST(Splice, EndsWhenItIsStopped) {
  auto made = co_await chain();
  CO_ASSERT_OK(made);
  Chain& on = **made;
  co_await yield_to_loop();
  on.stop.stop(Error{Code::kUnavailable, "enough", "enough"});
  co_await on.group.join();
  CO_ASSERT_TRUE(on.joined.has_value());
  CO_ASSERT_TRUE(!on.joined->outcome);
  EXPECT_EQ(on.joined->outcome.error().reason, "enough");
}

CO_TEST(Splice, EndsWithItsTask) {
  auto made = co_await chain();
  CO_ASSERT_OK(made);
  Chain& on = **made;
  co_await yield_to_loop();
  on.group.cancel();
  co_await on.group.join();
  CO_ASSERT_TRUE(on.joined.has_value());
  CO_ASSERT_TRUE(!on.joined->outcome);
  EXPECT_EQ(on.joined->outcome.error().code, Code::kCancelled);
}

CO_TEST(ReadExactly, TakesNothingOfWhatFollows) {
  auto made = co_await connected();
  CO_ASSERT_OK(made);
  CO_ASSERT_OK(co_await write(*made->client, as_bytes("headrest")));
  CO_ASSERT_OK(co_await wait_readable(*made->server));
  EXPECT_EQ(made->server->peek(), std::byte{'h'});
  std::array<std::byte, 4> head{};
  CO_ASSERT_OK(co_await read_exactly(*made->server, head));
  EXPECT_EQ(as_text(head), "head");
  auto rest = co_await read(*made->server);
  CO_ASSERT_OK(rest);
  EXPECT_EQ(as_text(rest->data()), "rest");
  CO_ASSERT_OK(made->client->shutdown_send());
  const auto early = co_await read_exactly(*made->server, head);
  CO_ASSERT_TRUE(!early);
  EXPECT_EQ(early.error().code, Code::kEof);
}

}  // namespace
}  // namespace portolan::net
