#include "net/http/proxy.h"

#include "net/co_test.h"
#include "net/memory_stream.h"

namespace portolan::net::http {
namespace {

using namespace std::chrono_literals;

const Endpoint kTo{"gw.example.com", 443};

Result<std::optional<HttpProxy>> choose(std::string proxy, std::string none = "", const Endpoint& to = kTo) {
  return proxy_for(to, {Secret(std::move(proxy)), std::move(none)});
}

TEST(Proxy, IsReadFromItsUrl) {
  EXPECT_FALSE(choose("").value());
  const auto plain = choose("http://proxy.example:3128/");
  ASSERT_TRUE(plain && *plain);
  EXPECT_EQ((*plain)->at, (Endpoint{"proxy.example", 3128}));
  EXPECT_FALSE((*plain)->authorization);
  EXPECT_EQ((*choose("proxy.example"))->at, (Endpoint{"proxy.example", 80}));
  EXPECT_EQ((*choose("[::1]:8080"))->at, (Endpoint{"::1", 8080}));
  const auto signed_in = choose("HTTP://ann:p%40ss%3Aword@10.0.0.1:8080");
  ASSERT_TRUE(signed_in && *signed_in);
  EXPECT_EQ((*signed_in)->at, (Endpoint{"10.0.0.1", 8080}));
  EXPECT_EQ((*signed_in)->authorization->reveal(), "Basic " + base64(as_bytes("ann:p@ss:word")));
}

TEST(Proxy, WhatIsNoneIsRefusedAndNotRepeated) {
  for (const char* text : {"https://secret@proxy:1", "socks5://secret@proxy", "http://ann:secret@",
                           "http://ann:secret@p:99999", "http://ann:secret%zz@p", "http://"}) {
    const auto chosen = choose(text);
    ASSERT_FALSE(chosen) << text;
    EXPECT_FALSE(chosen.error().message.contains("secret")) << chosen.error().message;
  }
}

TEST(Proxy, NoProxyNamesExceptions) {
  const auto goes_direct = [](std::string none, const Endpoint& to = kTo) {
    return !choose("proxy:1", std::move(none), to)->has_value();
  };
  for (const char* none :
       {"*", "example.com", ".example.com", "a, GW.example.com ,b", "gw.example.com:443", "x example.com"})
    EXPECT_TRUE(goes_direct(none)) << none;
  for (const char* none :
       {"", "w.example.com", "ple.com", "gw.example.com:5000", "example.org", "10.0.0.0/8", ".", ":443"})
    EXPECT_FALSE(goes_direct(none)) << none;
  EXPECT_TRUE(goes_direct("10.0.0.0/8", {"10.9.8.7", 443}));
  EXPECT_TRUE(goes_direct("0.0.0.0/0", {"10.9.8.7", 443}));
  EXPECT_TRUE(goes_direct("10.9.8.7", {"10.9.8.7", 443}));
  EXPECT_TRUE(goes_direct("[fd00::1]:443", {"fd00::1", 443}));
  EXPECT_TRUE(goes_direct("fd00::/8", {"fd00::5", 443}));
  EXPECT_TRUE(goes_direct("fd00::1", {"fd00:0:0:0:0:0:0:1", 443}));
  for (const char* here : {"localhost", "127.0.0.1", "127.9.9.9", "::1"}) EXPECT_TRUE(goes_direct("", {here, 443}));
  EXPECT_FALSE(goes_direct("10.0.0.0/33", {"10.9.8.7", 443}));
  EXPECT_FALSE(goes_direct("10.0.0.0/x", {"10.9.8.7", 443}));
  EXPECT_FALSE(goes_direct("10.9.8.0/24", {"10.9.9.7", 443}));
  EXPECT_FALSE(goes_direct("fd00::/8", {"10.9.9.7", 443}));
}

Task<> connect_and_note(std::unique_ptr<Stream> below, HttpProxy proxy, Result<std::unique_ptr<Stream>>& result) {
  result = co_await connect_through(std::move(below), std::move(proxy), kTo, 1s);
}

Task<> ask(std::string answer, std::string& asked, Result<std::unique_ptr<Stream>>& result) {
  auto [client, server] = memory_pair(co_await this_executor());
  TaskGroup group(co_await this_executor());
  group.spawn("client", connect_and_note(std::move(client), {{"p", 1}, Secret("Basic eDp5")}, result));
  auto got = co_await read(*server);
  CO_ASSERT_OK(got);
  asked = as_text(got->data());
  auto wrote = co_await write(*server, as_bytes(answer));
  CO_ASSERT_OK(wrote);
  co_await group.join();
}

CO_TEST(Proxy, ConnectsThrough) {
  std::string asked;
  Result<std::unique_ptr<Stream>> result = fail(Code::kInternal, "not tried");
  co_await ask("HTTP/1.1 200 Connection established\r\n\r\nfirst bytes", asked, result);
  EXPECT_EQ(
      asked,
      "CONNECT gw.example.com:443 HTTP/1.1\r\nHost: gw.example.com:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n");
  CO_ASSERT_OK(result);
  auto got = co_await read(**result);
  CO_ASSERT_OK(got);
  EXPECT_EQ(as_text(got->data()), "first bytes");
}

CO_TEST(Proxy, SaysWhyItDoesNot) {
  for (const auto& [answer, why] : {std::pair("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "HTTPS_PROXY"),
                                    std::pair("HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403"),
                                    std::pair("HTTP/1.1 302 Found\r\nLocation: http://evil\r\n\r\n", "HTTP 302"),
                                    std::pair("nonsense\r\n\r\n", "proxy p:1 for gw.example.com:443")}) {
    std::string asked;
    Result<std::unique_ptr<Stream>> result = fail(Code::kInternal, "not tried");
    co_await ask(answer, asked, result);
    EXPECT_FALSE(result);
    if (result) continue;
    EXPECT_TRUE(result.error().message.contains(why)) << result.error().message;
    EXPECT_FALSE(result.error().message.contains("eDp5"));
  }
}

}  // namespace
}  // namespace portolan::net::http
