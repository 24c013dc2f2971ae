#include "client/web/browser.h"

#include <gtest/gtest.h>

#include "net/buffer.h"
#include "net/co_test.h"
#include "net/memory_stream.h"

namespace portolan::client::web {
namespace {
using namespace std::chrono_literals;

// By the name: "wiki.localhost" is the application "wiki", "localhost" our page, anything else is refused.
Result<Destination> by_name(http::RequestHead& head) {
  if (head.authority == "localhost") return Destination{};
  if (!head.authority.ends_with(".localhost")) return fail(Code::kDenied, "who is that?", "misdirected");
  return Destination{Destination::Kind::kApplication, head.authority.substr(0, head.authority.find('.')), {}};
}

struct Pair {
  explicit Pair(const net::Executor& executor) {
    auto [ours, theirs] = net::memory_pair(executor);
    person = std::move(ours);
    browser = std::make_shared<Browser>(std::move(theirs), by_name, Browser::Connect::kAllowed);
  }
  std::unique_ptr<net::Stream> person;
  std::shared_ptr<Browser> browser;
};

std::string get(const std::string& path, const std::string& name = "wiki") {
  return "GET " + path + " HTTP/1.1\r\nHost: " + name + ".localhost\r\n\r\n";
}

net::Task<> send(net::Stream& stream, std::string text, std::size_t piece) {
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::string part = text.substr(at, piece);
    const auto written = co_await net::write(stream, as_bytes(part));
    EXPECT_TRUE(written) << net::testing::describe_failure(written);
    co_await net::yield_to_loop();
  }
}

// So many bytes, or what there was up to the end.
net::Task<std::string> take(net::Stream& stream, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    const auto buffer = co_await net::read(stream);
    if (!buffer || buffer->empty()) break;
    text += as_text(buffer->data());
  }
  co_return text;
}

CO_TEST(WebBrowser, RequestsAreReadAndPrintedAnewHoweverTheyAreCut) {
  const auto executor = co_await net::this_executor();
  const std::string sent =
      "GET /a?b HTTP/1.1\r\nHOST: Wiki.Localhost\r\nX-A:   b \t\r\nConnection: keep-alive\r\n\r\n"
      "POST /b HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nGET /"
      "PUT /c HTTP/1.1\r\nHost: wiki.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
      "GET http://wiki.localhost/d HTTP/1.0\r\nHost: wiki.localhost\r\n\r\n";
  const std::string wanted =
      "GET /a?b HTTP/1.1\r\nHost: wiki.localhost\r\nX-A: b\r\nConnection: keep-alive\r\n\r\n"
      "POST /b HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nGET /"
      "PUT /c HTTP/1.1\r\nHost: wiki.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n"
      "GET http://wiki.localhost/d HTTP/1.0\r\nHost: wiki.localhost\r\n\r\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}, sent.size()}) {
    Pair pair(executor);
    net::TaskGroup tasks(executor);
    tasks.spawn("send", send(*pair.person, sent, piece));
    const auto come = co_await pair.browser->next();
    CO_ASSERT_OK(come);
    auto requests = pair.browser->requests("wiki");
    const std::string got = co_await take(*requests, wanted.size());
    EXPECT_EQ(got, wanted) << piece;
    co_await tasks.join();
    // Nothing more to read, and no block kept while it waits.
    auto chunk = requests->try_read();
    CO_ASSERT_OK(chunk);
    EXPECT_EQ(chunk->kind, net::Chunk::Kind::kWait);
    EXPECT_EQ(net::blocks_in_use(), 0U);
    EXPECT_TRUE(pair.person->shutdown_send());
    const std::string rest = co_await take(*requests, 1);
    EXPECT_EQ(rest, "");
  }
}

CO_TEST(WebBrowser, ALongBodyPassesAsItComes) {
  const auto executor = co_await net::this_executor();
  Pair pair(executor);
  net::TaskGroup tasks(executor);
  const std::string head = "PUT / HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 3000000\r\n\r\n";
  const std::string body(3000000, 'x');
  tasks.spawn("send", send(*pair.person, head + body + get("/next"), 1000000));
  const auto come = co_await pair.browser->next();
  CO_ASSERT_OK(come);
  auto requests = pair.browser->requests("wiki");
  const std::string got = co_await take(*requests, head.size() + body.size() + get("/next").size());
  EXPECT_TRUE(got == head + body + get("/next"));
  co_await tasks.join();
}

CO_TEST(WebBrowser, ARequestForSomebodyElseWaitsForTheEnd) {
  Pair pair(co_await net::this_executor());
  co_await send(*pair.person, get("/1") + get("/2", "crm"), 1000);
  auto come = co_await pair.browser->next();
  CO_ASSERT_OK(come);
  auto requests = pair.browser->requests("wiki");
  std::string got = co_await take(*requests, 10000);
  EXPECT_EQ(got, get("/1"));
  // The answer passes, the end does not.
  const auto written = co_await net::write(*requests, as_bytes("answer 1"));
  CO_ASSERT_OK(written);
  EXPECT_TRUE(requests->shutdown_send());
  EXPECT_EQ(requests->unsent(), 0U);
  got = co_await take(*pair.person, 8);
  EXPECT_EQ(got, "answer 1");
  requests.reset();
  CO_ASSERT_TRUE(pair.browser->goes_on());
  come = co_await pair.browser->next();
  CO_ASSERT_OK(come);
  CO_ASSERT_OK(pair.browser->pending().destination);
  EXPECT_EQ(pair.browser->pending().destination->application, "crm");
  requests = pair.browser->requests("crm");
  EXPECT_TRUE(pair.person->shutdown_send());
  got = co_await take(*requests, 10000);
  EXPECT_EQ(got, get("/2", "crm"));
  // Now the end is the browser's, too.
  EXPECT_TRUE(requests->shutdown_send());
  EXPECT_FALSE(pair.browser->goes_on());
  got = co_await take(*pair.person, 1);
  EXPECT_EQ(got, "");
}

CO_TEST(WebBrowser, WhatIsRefusedInTheMiddleDoesNotPass) {
  const auto executor = co_await net::this_executor();
  const std::string refused[] = {
      "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "\r\n",
      "GET / HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: wiki.localhost\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
      "TRACE / HTTP/1.1\r\nHost: wiki.localhost\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n"};
  for (const std::string& bad : refused) {
    Pair pair(executor);
    co_await send(*pair.person, get("/1") + bad + get("/smuggled"), 1000);
    const auto come = co_await pair.browser->next();
    CO_ASSERT_OK(come);
    auto requests = pair.browser->requests("wiki");
    const std::string got = co_await take(*requests, 10000);
    EXPECT_EQ(got, get("/1"));
    requests.reset();
    EXPECT_TRUE(pair.browser->goes_on());
    EXPECT_FALSE(pair.browser->pending().destination) << bad;
    EXPECT_EQ(pair.browser->pending().destination.error().hop, Hop::kAgent);
  }
}

CO_TEST(WebBrowser, ABadBodyIsExplainedOnlyWhereItIsTheAnswer) {
  const auto executor = co_await net::this_executor();
  const std::string bad =
      "POST / HTTP/1.1\r\nHost: wiki.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n";
  for (const bool first : {true, false}) {
    Pair pair(executor);
    co_await send(*pair.person, (first ? "" : get("/1")) + bad, 1000);
    const auto come = co_await pair.browser->next();
    CO_ASSERT_OK(come);
    auto requests = pair.browser->requests("wiki");
    Result<net::Chunk> chunk = net::Chunk{};
    for (int i = 0; i < 20 && chunk; ++i) {
      chunk = requests->try_read();
      if (chunk) EXPECT_FALSE(as_text(chunk->buffer.data()).contains('X'));
    }
    CO_ASSERT_ERROR(chunk, Code::kProtocol);
    requests.reset();
    EXPECT_EQ(pair.browser->may_explain(), first);
  }
}

CO_TEST(WebBrowser, BehindAWishForAWebSocketAllPasses) {
  Pair pair(co_await net::this_executor());
  const std::string upgrade =
      "GET /socket HTTP/1.1\r\nHost: wiki.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const std::string frames("\x81\x85mask\r\n\r\nGET\0", 15);
  co_await send(*pair.person, upgrade + frames, 1000);
  const auto come = co_await pair.browser->next();
  CO_ASSERT_OK(come);
  auto requests = pair.browser->requests("wiki");
  std::string got = co_await take(*requests, upgrade.size() + frames.size());
  EXPECT_EQ(got, upgrade + frames);
  co_await send(*pair.person, frames, 4);
  got = co_await take(*requests, frames.size());
  EXPECT_EQ(got, frames);
  requests.reset();
  EXPECT_FALSE(pair.browser->goes_on());
}

CO_TEST(WebBrowser, TheEndOfTheConnection) {
  const auto executor = co_await net::this_executor();
  Pair pair(executor);
  co_await send(*pair.person, "GET / HT", 1000);
  EXPECT_TRUE(pair.person->shutdown_send());
  const auto come = co_await pair.browser->next();
  CO_ASSERT_ERROR(come, Code::kEof);

  // In the middle of a body it is passed on as what it is.
  Pair cut(executor);
  const std::string begun = "POST / HTTP/1.1\r\nHost: wiki.localhost\r\nContent-Length: 9\r\n\r\nabc";
  co_await send(*cut.person, begun, 1000);
  EXPECT_TRUE(cut.person->shutdown_send());
  const auto head = co_await cut.browser->next();
  CO_ASSERT_OK(head);
  auto requests = cut.browser->requests("wiki");
  const std::string got = co_await take(*requests, 10000);
  EXPECT_EQ(got, begun);
  requests.reset();
  EXPECT_FALSE(cut.browser->goes_on());
}

CO_TEST(WebBrowser, Tunnels) {
  Pair pair(co_await net::this_executor());
  co_await send(*pair.person, "CONNECT Wiki.example:443 HTTP/1.1\r\nHost: wiki.example:443\r\n\r\nhello", 1000);
  const auto come = co_await pair.browser->next();
  CO_ASSERT_OK(come);
  CO_ASSERT_OK(pair.browser->pending().destination);
  EXPECT_EQ(pair.browser->pending().destination->kind, Destination::Kind::kTunnel);
  EXPECT_EQ(pair.browser->pending().destination->tunnel, (http::Authority{"wiki.example", 443}));
  const auto stream = pair.browser->take_stream();
  EXPECT_FALSE(pair.browser->has_stream());
  const std::string got = co_await take(*stream, 5);
  EXPECT_EQ(got, "hello");
}

TEST(WebConnect, WhatIsRefused) {
  EXPECT_TRUE(parse_connect("CONNECT a:1 HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(parse_connect("CONNECT [::1]:443 HTTP/1.0\r\nHost: x\r\n\r\n"));
  for (const char* bad :
       {"CONNECT a HTTP/1.1\r\n\r\n", "CONNECT a:0 HTTP/1.1\r\n\r\n", "CONNECT  HTTP/1.1\r\n\r\n", "CONNECT \r\n\r\n",
        "CONNECT a:1\r\n\r\n", "CONNECT a:1 HTTP/2\r\n\r\n", "CONNECT http://a:1/ HTTP/1.1\r\n\r\n",
        "CONNECT u@a:1 HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nbad line\r\n\r\n", "CONNECT a:1 b HTTP/1.1\r\n\r\n"})
    EXPECT_FALSE(parse_connect(bad)) << bad;
}

}  // namespace
}  // namespace portolan::client::web
