#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include "net/co_test.h"
#include "net/event.h"

namespace portolan::net {
namespace {
using namespace std::chrono_literals;

const std::string kSignature = "0d0a0d0a000d0a515549540a";

Bytes bytes(const std::string& text) { return *from_hex(text); }

Result<std::optional<Endpoint>> decode(const Bytes& all) {
  const ByteView view(all);
  PL_TRY(const auto head, decode_proxy_head(view.first(std::min(view.size(), kProxyHeadBytes))));
  return decode_proxy_rest(head, view.subspan(kProxyHeadBytes));
}

TEST(ProxyProtocol, NamesTheClient) {
  struct Case {
    std::string header;
    std::optional<Endpoint> client;
  };
  const Case kCases[] = {
      {"2111000c"
       "cb007107"
       "7f000001"
       "d431"
       "1388",
       Endpoint{"203.0.113.7", 54321}},
      {"21210024"
       "20010db8000000000000000000000001"
       "00000000000000000000000000000001"
       "0001"
       "1388",
       Endpoint{"2001:db8::1", 1}},
      // With TLVs: one that is not known, one that is empty, a CRC.
      {"2111001b"
       "cb007107"
       "7f000001"
       "d431"
       "1388"
       "e00003616263"
       "040000"
       "030003aabbcc",
       Endpoint{"203.0.113.7", 54321}},
      {"20000000", std::nullopt},
      {"20110003"
       "aabbcc",
       std::nullopt},
      {"21000004"
       "01020304",
       std::nullopt},
  };
  for (const auto& each : kCases) {
    const auto client = decode(bytes(kSignature + each.header));
    ASSERT_TRUE(client) << each.header << ": " << client.error().message;
    EXPECT_EQ(*client, each.client) << each.header;
  }
}

TEST(ProxyProtocol, RefusesAnythingElse) {
  for (const std::string header :
       {"1111000ccb0071077f000001d4311388",                            // version 1 in its place
        "2211000ccb0071077f000001d4311388",                            // unknown command
        "2112000ccb0071077f000001d4311388",                            // UDP
        "213100d8",                                                    // Unix sockets
        "2111000bcb0071077f000001d43113",                              // shorter than its addresses
        "2121000ccb0071077f000001d4311388",                            // IPv6 with the length of IPv4
        "2111000ccb0071077f000001d43113",                              // cut off
        "21110019cb0071077f000001d4311388e0000361626304000003000400",  // TLVs that end behind it, and before it
        "21110016cb0071077f000001d4311388e0000361626304000000", "21110401", "2111ffff",
        "2000ffff"})  // longer than it may be
    EXPECT_FALSE(decode(bytes(kSignature + header))) << header;
  EXPECT_FALSE(decode_proxy_head(as_bytes("PROXY TCP4 1.1.1")));
  EXPECT_FALSE(decode_proxy_head(as_bytes("\x16\x03\x01")));
  EXPECT_FALSE(decode_proxy_head({}));
  auto wrong = bytes(kSignature + "20000000");
  for (std::size_t at = 0; at < 12; ++at) {
    auto broken = wrong;
    broken[at] ^= std::byte{1};
    EXPECT_FALSE(decode_proxy_head(broken)) << at;
  }
}

struct Pair {
  std::unique_ptr<TcpStream> client, server;
};

Task<Result<Pair>> tcp_pair() {
  Pair pair;
  const auto executor = co_await this_executor();
  Event accepted(executor);
  CO_TRY(auto listener, listen_tcp(executor, {"127.0.0.1", 0}, [&](std::unique_ptr<TcpStream> stream) {
           pair.server = std::move(stream);
           accepted.set();
         }));
  CO_TRY(pair.client, co_await dial_tcp(listener->local(), 5s));
  if (!pair.server) {
    CO_CHECK(co_await accepted.wait(5s));
  }
  co_return pair;
}

// Byte by byte, and what follows stays where it is.
CO_TEST(ProxyProtocol, IsTakenOffAConnection) {
  auto pair = co_await tcp_pair();
  CO_ASSERT_OK(pair);
  auto said = bytes(kSignature +
                    "21110010cb0071077f000001d4311388"
                    "e0000100");
  said.push_back(std::byte{22});
  TaskGroup tasks(co_await this_executor());
  Result<> taken = fail(Code::kInternal, "not done");
  const auto take = [](TcpStream& stream, Result<>& out) -> Task<> { out = co_await take_proxy_header(stream); };
  tasks.spawn("take", take(*pair->server, taken));
  for (const std::byte byte : said) {
    CO_ASSERT_OK(co_await write(*pair->client, {&byte, 1}));
    co_await yield_to_loop();
  }
  co_await tasks.join();
  CO_ASSERT_OK(taken);
  EXPECT_EQ(pair->server->peer(), (Endpoint{"203.0.113.7", 54321}));
  EXPECT_TRUE(pair->server->describe().starts_with("203.0.113.7:54321 by 127.0.0.1:")) << pair->server->describe();
  const auto rest = co_await read(*pair->server);
  CO_ASSERT_OK(rest);
  EXPECT_EQ(Bytes(rest->data().begin(), rest->data().end()), Bytes{std::byte{22}});
}

CO_TEST(ProxyProtocol, ThatEndsEarlyIsRefused) {
  auto pair = co_await tcp_pair();
  CO_ASSERT_OK(pair);
  const auto said = bytes(kSignature + "2111000ccb007107");
  CO_ASSERT_OK(co_await write(*pair->client, said));
  CO_ASSERT_OK(pair->client->shutdown_send());
  const auto taken = co_await take_proxy_header(*pair->server);
  EXPECT_FALSE(taken);
}

}  // namespace
}  // namespace portolan::net
