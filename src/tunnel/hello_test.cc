#include "tunnel/hello.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/memory_stream.h"

namespace portolan::tunnel {
namespace {

using namespace std::chrono_literals;

const Hello kExample{1, 2, 5, "portolan 0.1.0"};
constexpr std::string_view kVector = "50544c4e001c000100020000000000000005000e706f72746f6c616e20302e312e30";

TEST(Hello, IsEncodedAsWritten) {
  EXPECT_EQ(hex(encode(kExample)), kVector);
  const auto back = decode_hello(from_hex(kVector).value());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, kExample);
}

TEST(Hello, RefusesWhatIsNoHello) {
  for (const std::string_view bad : {
           "",                                                                      // nothing
           "50544c4e",                                                              // cut off
           "474554200010000100020000000000000005000e706f72746f6c616e20302e31",      // "GET "
           "50544c4e000d00010002000000000000000500",                                // too short to be one
           "50544c4e0101000100020000000000000005000e706f72746f6c616e20302e312e30",  // longer than allowed
           "50544c4e001d000100020000000000000005000e706f72746f6c616e20302e312e30",  // a length that does not fit
           "50544c4e001c000100020000000000000005000f706f72746f6c616e20302e312e30",  // a name longer than its frame
           "50544c4e001c000100020000000000000005000e706f72746f6c616e20302e310a30",  // a line end in the name
           "50544c4e001c000000020000000000000005000e706f72746f6c616e20302e312e30",  // version 0
           "50544c4e001c000300020000000000000005000e706f72746f6c616e20302e312e30",  // oldest above newest
       }) {
    const auto hello = decode_hello(from_hex(bad).value());
    ASSERT_FALSE(hello) << bad;
    EXPECT_EQ(hello.error().code, Code::kProtocol) << bad;
  }
}

TEST(Hello, IgnoresWhatLaterVersionsAppend) {
  const auto hello =
      decode_hello(from_hex("50544c4e0020000100020000000000000005000e706f72746f6c616e20302e312e30deadbeef").value());
  ASSERT_TRUE(hello) << hello.error().message;
  EXPECT_EQ(*hello, kExample);
}

TEST(Hello, WithoutACommonVersionBothAreNamed) {
  const auto agreed = agree(Hello{3, 5, 0, "portolan 0.5.0"}, Hello{1, 2, 0, "portolan 0.2.0"});
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().reason, "no_common_version");
  for (const std::string_view words : {"we speak 3 to 5", "portolan 0.2.0", "speaks 1 to 2", "update the older one"})
    EXPECT_NE(agreed.error().message.find(words), std::string::npos) << words << ": " << agreed.error().message;
}

TEST(Hello, TakesTheHighestCommonVersion) {
  struct Case {
    std::uint16_t oldest, newest, version;  // version 0: none in common with 3 to 5
  };
  for (const Case c : {Case{1, 2, 0}, {1, 3, 3}, {1, 4, 4}, {4, 4, 4}, {5, 9, 5}, {1, 9, 5}, {6, 9, 0}}) {
    const auto agreed = agree(Hello{3, 5, 0b0110, ""}, Hello{c.oldest, c.newest, 0b1010, "x"});
    if (c.version == 0) {
      ASSERT_FALSE(agreed);
      EXPECT_EQ(agreed.error().code, Code::kProtocol);
      EXPECT_NE(agreed.error().message.find("3 to 5"), std::string::npos) << agreed.error().message;
    } else {
      ASSERT_TRUE(agreed);
      EXPECT_EQ(agreed->version, c.version);
      EXPECT_EQ(agreed->features, 0b0010U);
    }
  }
}

net::Task<> answer_hello(std::unique_ptr<net::Stream> stream, Bytes words) {
  const auto sent = co_await net::write(*stream, words);
  EXPECT_TRUE(sent.has_value());
  const auto read = co_await net::read(*stream);
  EXPECT_TRUE(read.has_value());
  const auto end = co_await net::read(*stream);  // until the test has ended
}

CO_TEST(Hello, LeavesWhatComesBehindIt) {
  const net::Executor executor = co_await net::this_executor();
  net::TaskGroup tasks(executor);
  auto [near, far] = net::memory_pair(executor);
  Bytes words = encode(kExample);
  for (const char c : std::string_view("more")) words.push_back(static_cast<std::byte>(c));
  tasks.spawn("peer", answer_hello(std::move(far), words));
  net::Reader reader(*near);
  const auto agreed = co_await exchange_hello(*near, reader, Hello{}, 1s);
  EXPECT_TRUE(agreed.has_value());
  if (agreed) EXPECT_EQ(agreed->peer_software, "portolan 0.1.0");
  EXPECT_EQ(as_text(reader.data()), "more");
  near.reset();
  co_await tasks.join();
}

CO_TEST(Hello, ALaterPeerIsRefusedWithBothVersions) {
  const net::Executor executor = co_await net::this_executor();
  net::TaskGroup tasks(executor);
  auto [near, far] = net::memory_pair(executor);
  tasks.spawn("peer",
              answer_hello(std::move(far), encode(Hello{kNewestVersion + 1, kNewestVersion + 2, 0, "portolan 9.0.0"})));
  net::Reader reader(*near);
  const auto agreed = co_await exchange_hello(*near, reader, Hello{}, 1s);
  EXPECT_FALSE(agreed.has_value());
  if (!agreed)
    EXPECT_EQ(
        agreed.error().message,
        "hello: no common version: we speak 1 to 1, the peer (\"portolan 9.0.0\") speaks 2 to 3; update the older one");
  near.reset();
  co_await tasks.join();
}

CO_TEST(Hello, DoesNotWaitForever) {
  const net::Executor executor = co_await net::this_executor();
  auto [near, far] = net::memory_pair(executor);
  net::Reader reader(*near);
  const auto agreed = co_await exchange_hello(*near, reader, Hello{}, 20ms);
  EXPECT_FALSE(agreed.has_value());
  if (!agreed) EXPECT_EQ(agreed.error().code, Code::kTimeout);
}

}  // namespace
}  // namespace portolan::tunnel
