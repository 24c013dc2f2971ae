#include "protocols/tcp/driver.h"

#include "net/co_test.h"
#include "net/memory_stream.h"
#include "protocols/testing/fake_session.h"

namespace portolan::protocols::tcp {
namespace {

net::Task<> serve_and_note(Session& session, std::unique_ptr<net::Stream> stream, std::optional<Result<>>& outcome) {
  const auto driver = make(session);
  outcome = co_await driver->serve(std::move(stream));
}

struct Setup {
  explicit Setup(const net::Executor& executor) : group(executor) {
    auto [ours, drivers] = net::memory_pair(executor);
    auto [resource, servers] = net::memory_pair(executor);
    client = std::move(ours);
    server = std::move(servers);
    session.resource_ = std::move(resource);
    group.spawn("serve", serve_and_note(session, std::move(drivers), outcome));
  }
  testing::FakeSession session;
  std::unique_ptr<net::Stream> client, server;
  std::optional<Result<>> outcome;
  net::TaskGroup group;
};

std::string text_of(const Result<net::Buffer>& got) {
  return got ? std::string(as_text(got->data())) : "error: " + got.error().message;
}

CO_TEST(TcpDriver, CarriesBytesBothWaysAndCountsThem) {
  Setup setup(co_await net::this_executor());
  auto wrote = co_await net::write(*setup.server, as_bytes("220 hello"));  // the server may speak first
  CO_ASSERT_OK(wrote);
  auto got = co_await net::read(*setup.client);
  EXPECT_EQ(text_of(got), "220 hello");
  wrote = co_await net::write(*setup.client, as_bytes("GET / HTTP/1.1\r\n"));  // any protocol: nothing is looked at
  CO_ASSERT_OK(wrote);
  got = co_await net::read(*setup.server);
  EXPECT_EQ(text_of(got), "GET / HTTP/1.1\r\n");
  CO_ASSERT_OK(setup.client->shutdown_send());
  got = co_await net::read(*setup.server);
  EXPECT_EQ(text_of(got), "");
  CO_ASSERT_OK(setup.server->shutdown_send());
  co_await setup.group.join();
  CO_ASSERT_OK(*setup.outcome);
  EXPECT_EQ(setup.session.to_resource_, 16u);
  EXPECT_EQ(setup.session.from_resource_, 9u);
  EXPECT_TRUE(setup.session.queries_.empty());
}

CO_TEST(TcpDriver, EndsWhenItIsStopped) {
  Setup setup(co_await net::this_executor());
  auto wrote = co_await net::write(*setup.client, as_bytes("x"));
  CO_ASSERT_OK(wrote);
  auto got = co_await net::read(*setup.server);
  EXPECT_EQ(text_of(got), "x");
  setup.session.stop_.stop({Code::kDenied, "access was taken away"});
  co_await setup.group.join();
  CO_ASSERT_ERROR(*setup.outcome, Code::kDenied);
  got = co_await net::read(*setup.server);
  EXPECT_TRUE(!got || got->empty());
  EXPECT_EQ(setup.session.to_resource_, 1u);
}

CO_TEST(TcpDriver, AResourceThatIsDown) {
  Setup setup(co_await net::this_executor());
  setup.session.resource_.reset();
  co_await setup.group.join();
  CO_ASSERT_ERROR(*setup.outcome, Code::kUnavailable);
}

CO_TEST(TcpDriver, AProbeConnectsAndCloses) {
  auto [ours, theirs] = net::memory_pair(co_await net::this_executor());
  auto kept = std::make_shared<std::unique_ptr<net::Stream>>(std::move(theirs));
  const Dial dial = [kept](std::size_t) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
    co_return std::move(*kept);
  };
  CO_ASSERT_OK(co_await probe({}, dial, std::chrono::seconds(1)));
  const auto got = co_await net::read(*ours);
  EXPECT_TRUE(!got || got->empty());
  const Dial nobody = [](std::size_t) -> net::Task<Result<std::unique_ptr<net::Stream>>> {
    co_return fail(Code::kUnavailable, "connection refused", "connection_refused");
  };
  CO_ASSERT_ERROR(co_await probe({}, nobody, std::chrono::seconds(1)), Code::kUnavailable);
}

CO_TEST(TcpDriver, ARefusalCloses) {
  auto [ours, theirs] = net::memory_pair(co_await net::this_executor());
  co_await refuse(std::move(theirs), {Code::kDenied, "no"}, "t", std::chrono::seconds(1));
  const auto got = co_await net::read(*ours);
  EXPECT_TRUE(!got || got->empty());
}

}  // namespace
}  // namespace portolan::protocols::tcp
