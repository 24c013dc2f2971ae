#include "client/web/connect.h"

#include <gmock/gmock.h>

#include "client/web/testing.h"
#include "net/test_tls.h"

namespace portolan::client::web {
namespace {

using namespace std::chrono_literals;
using boost::asio::this_coro::executor;
using ::testing::HasSubstr;
using Accepted = Result<std::unique_ptr<net::Stream>>;
using Connected = Result<std::unique_ptr<net::TlsStream>>;

const std::string kHost = "wiki.corp.example";

struct Ca {
  TemporaryHome temporary;
  FakeClock clock;
  Result<LocalCa> made;
  // The TLS client goes by the machine's own clock.
  Ca() : made(fail(Code::kInternal, "not made")) {
    clock.jump_wall(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::real().wall() - clock.wall()));
    made = LocalCa::create(temporary.home, {kHost, "10.0.0.7"}, clock);
  }

  net::TlsClientOptions browser() const {
    net::TlsClientOptions options;
    options.versions = net::TlsVersions::k12And13;
    options.alpn = {"h2", "http/1.1"};
    options.trust = {made->root()};
    options.server_name = kHost;
    options.verify_host = kHost;
    return options;
  }
};

struct Ends {
  Accepted ours = fail(Code::kInternal, "not tried");
  Connected browser = fail(Code::kInternal, "not tried");
};

net::Task<> accept(std::unique_ptr<net::Stream> below, std::string host, const LocalCa& ca, Accepted& out) {
  out = co_await accept_tls(std::move(below), std::move(host), ca, 5s);
}

net::Task<> shake(const Ca& ca, std::string host, net::TlsClientOptions options, Ends& ends) {
  CO_ASSERT_OK(ca.made);
  auto client = net::TlsClient::make(std::move(options));
  CO_ASSERT_OK(client);
  auto pair = net::memory_pair(co_await executor);
  net::TaskGroup group(co_await executor);
  group.spawn("browser", net::testing::connect_and_note(*client, std::move(pair.first), ends.browser));
  group.spawn("proxy", accept(std::move(pair.second), std::move(host), *ca.made, ends.ours));
  co_await group.join();
}

CO_TEST(Connect, IsAServerOfTheHost) {
  const Ca ca;
  Ends ends;
  co_await shake(ca, kHost, ca.browser(), ends);
  CO_ASSERT_OK(ends.browser);
  CO_ASSERT_OK(ends.ours);
  EXPECT_EQ((*ends.browser)->alpn(), "http/1.1") << "never h2";
  co_await net::testing::exchange(**ends.browser, **ends.ours, 300'000);
}

CO_TEST(Connect, ServesWhoOffersNoProtocol) {
  const Ca ca;
  Ends ends;
  auto options = ca.browser();
  options.alpn.clear();
  co_await shake(ca, kHost, std::move(options), ends);
  CO_ASSERT_OK(ends.browser);
  CO_ASSERT_OK(ends.ours);
  EXPECT_EQ((*ends.browser)->alpn(), "");
}

CO_TEST(Connect, ServesAnAddress) {
  const Ca ca;
  Ends ends;
  auto options = ca.browser();
  options.server_name.clear();
  options.verify_host = "10.0.0.7";
  co_await shake(ca, "10.0.0.7", std::move(options), ends);
  CO_ASSERT_OK(ends.browser);
  CO_ASSERT_OK(ends.ours);
}

CO_TEST(Connect, RefusesAnotherName) {
  const Ca ca;
  for (const std::string name : {"bank.example", "a.wiki.corp.example", "corp.example", ""}) {
    Ends ends;
    auto options = ca.browser();
    options.server_name = name;
    options.verify_host.clear();
    co_await shake(ca, kHost, std::move(options), ends);
    EXPECT_FALSE(ends.browser) << name;
    CO_ASSERT_ERROR(ends.ours, Code::kProtocol);
    EXPECT_THAT(ends.ours.error().message, HasSubstr(kHost));
  }
}

CO_TEST(Connect, RefusesANameWithinTheTunnelToAnAddress) {
  const Ca ca;
  Ends ends;
  auto options = ca.browser();
  options.verify_host.clear();
  co_await shake(ca, "10.0.0.7", std::move(options), ends);
  CO_ASSERT_ERROR(ends.ours, Code::kProtocol);
}

CO_TEST(Connect, RefusesWhoWantsOnlyAnotherProtocol) {
  const Ca ca;
  Ends ends;
  auto options = ca.browser();
  options.alpn = {"h2"};
  co_await shake(ca, kHost, std::move(options), ends);
  EXPECT_FALSE(ends.browser);
  CO_ASSERT_ERROR(ends.ours, Code::kProtocol);
}

CO_TEST(Connect, HasNothingForHostsThatTheAuthorityIsNotFor) {
  const Ca ca;
  CO_ASSERT_OK(ca.made);
  for (const std::string host : {"bank.example", "a.wiki.corp.example", "10.0.0.8", ""}) {
    auto pair = net::memory_pair(co_await executor);
    Accepted ours = co_await accept_tls(std::move(pair.second), host, *ca.made, 5s);
    CO_ASSERT_ERROR(ours, Code::kDenied);
  }
}

CO_TEST(Connect, SaysWhatToDoWhereTheAuthorityIsNotTrusted) {
  const Ca ca;
  const Ca other;
  CO_ASSERT_OK(other.made);
  Ends ends;
  auto options = ca.browser();
  options.trust = {other.made->root()};
  co_await shake(ca, kHost, std::move(options), ends);
  EXPECT_FALSE(ends.browser);
  CO_ASSERT_ERROR(ends.ours, Code::kUnauthenticated);
  EXPECT_THAT(ends.ours.error().message, HasSubstr("portolan web-ca show"));
}

CO_TEST(Connect, WaitsNoLongerThanItsLimit) {
  const Ca ca;
  CO_ASSERT_OK(ca.made);
  auto pair = net::memory_pair(co_await executor);
  Accepted ours = co_await accept_tls(std::move(pair.second), kHost, *ca.made, 20ms);
  CO_ASSERT_ERROR(ours, Code::kTimeout);
}

CO_TEST(Connect, RefusesWhatIsNoTls) {
  const Ca ca;
  CO_ASSERT_OK(ca.made);
  auto pair = net::memory_pair(co_await executor);
  const auto wrote = co_await net::write(*pair.first, as_bytes("GET / HTTP/1.1\r\nHost: wiki.corp.example\r\n\r\n"));
  CO_ASSERT_OK(wrote);
  Accepted ours = co_await accept_tls(std::move(pair.second), kHost, *ca.made, 5s);
  CO_ASSERT_ERROR(ours, Code::kProtocol);
}

}  // namespace
}  // namespace portolan::client::web
