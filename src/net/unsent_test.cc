#include "net/unsent.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "net/co_test.h"
#include "net/socket_stream.h"

namespace portolan::net {
namespace {

using namespace std::chrono_literals;

// Fills a connection whose other end does not read; how much the kernel has then not sent.
Task<Result<std::size_t>> fill(bool limited) {
  std::unique_ptr<TcpStream> server;
  CO_TRY(const auto listener, listen_tcp(co_await this_executor(), {"127.0.0.1", 0},
                                         [&](std::unique_ptr<TcpStream> stream) { server = std::move(stream); }));
  CO_TRY(const auto client, co_await dial_tcp(listener->local(), 5s));
  while (!server) co_await yield_to_loop();
  if (limited) limit_unsent(*client);
  const Bytes block(64 * 1024);
  for (std::size_t total = 0; total < 64U * 1024 * 1024;) {
    CO_TRY(const std::size_t n, client->try_write(block));
    if (n == 0) break;
    total += n;
  }
  int unsent = 0;
  if (::ioctl(dynamic_cast<SocketStream&>(*client).fd(), SIOCOUTQNSD, &unsent) != 0)
    co_return fail(Code::kIo, "SIOCOUTQNSD");
  co_return static_cast<std::size_t>(unsent);
}

CO_TEST(LimitUnsent, LittleWaitsInTheKernel) {
  const auto limited = co_await fill(true);
  CO_ASSERT_OK(limited);
  EXPECT_LE(*limited, 2 * kUnsentLimit);
  const auto free = co_await fill(false);
  CO_ASSERT_OK(free);
  EXPECT_GT(*free, *limited);
}

CO_TEST(LimitUnsent, WhoWaitsIsWokenAgain) {
  std::unique_ptr<TcpStream> server;
  const auto listener = listen_tcp(co_await this_executor(), {"127.0.0.1", 0},
                                   [&](std::unique_ptr<TcpStream> stream) { server = std::move(stream); });
  CO_ASSERT_OK(listener);
  const auto client = co_await dial_tcp((*listener)->local(), 5s);
  CO_ASSERT_OK(client);
  while (!server) co_await yield_to_loop();
  limit_unsent(**client);
  const Bytes block(64 * 1024);
  for (auto n = (*client)->try_write(block); n && *n > 0;) n = (*client)->try_write(block);
  bool woken = false;
  (*client)->on_writable([&] { woken = true; });
  std::size_t read = 0;
  while (!woken && read < 64U * 1024 * 1024) {
    CO_ASSERT_OK(co_await with_timeout(wait_readable(*server), 5s));
    auto chunk = server->try_read();
    CO_ASSERT_OK(chunk);
    read += chunk->buffer.size();
  }
  EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace portolan::net
