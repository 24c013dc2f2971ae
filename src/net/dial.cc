#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <cerrno>

#include <boost/asio/this_coro.hpp>

#include "base/clock.h"
#include "net/resolve.h"
#include "net/segments.h"
#include "net/socket_stream.h"
#include "net/system_error.h"
#include "net/tcp.h"

namespace portolan::net {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;
using Connected = Result<std::unique_ptr<SocketStream>>;

constexpr Milliseconds kBacklogPause{20};

// `segment`: the longest; 0: no limit.
Result<UniqueFd> open_socket(int family, int segment = 0) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return connect_error(errno);
  if (family != AF_UNIX) set_tcp_options(fd.get());
  if (segment > 0 && ::setsockopt(fd.get(), IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) != 0)
    return connect_error(errno);
  return fd;
}

// A socket that dials a free port in the ephemeral range of its own machine may meet itself.
bool is_connected_to_itself(const SocketStream& stream) { return stream.local() == stream.peer(); }

Task<Connected> connect_tcp(SocketAddress address, std::string name, Milliseconds limit, int segment) {
  const Executor executor = co_await boost::asio::this_coro::executor;
  CO_TRY(auto fd, open_socket(address.family(), segment));
  const int started = ::connect(fd.get(), address.raw(), address.size);
  if (started != 0 && errno != EINPROGRESS) co_return connect_error(errno);
  auto stream = std::make_unique<SocketStream>(executor, std::move(fd), std::move(name));
  CO_CHECK(co_await with_timeout(wait_writable(*stream), limit));
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(stream->fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) co_return connect_error(error);
  if (is_connected_to_itself(*stream)) co_return connect_error(ECONNREFUSED);
  CO_CHECK(stream->forget_writing());
  co_return stream;
}

// Tries the addresses in turn; each gets its share of the time that is left, so that a dead one leaves some for the
// next.
Task<Connected> connect_any(Endpoint to, Clock::time_point deadline, int segment) {
  CO_TRY(const auto addresses, co_await resolve(to));
  Error last{Code::kNotFound, "look up " + quoted(to.host, 253) + ": no address"};
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now());
    const auto share = left / static_cast<int>(addresses.size() - i);
    const auto at = to_endpoint(addresses[i]);
    auto connected = co_await connect_tcp(addresses[i], to_text(to), std::max(share, Milliseconds(1)), segment);
    if (connected) co_return connected;
    last = std::move(connected).error();
    if (last.code == Code::kCancelled) break;
    if (at.host != to.host) last = std::move(last).within(to_text(at));
  }
  co_return std::unexpected(std::move(last));
}

Task<Connected> connect_unix(std::string path) {
  const Executor executor = co_await boost::asio::this_coro::executor;
  CO_TRY(const auto address, unix_address(path));
  while (true) {
    CO_TRY(auto fd, open_socket(AF_UNIX));
    if (::connect(fd.get(), address.raw(), address.size) == 0) {
      co_return std::make_unique<SocketStream>(executor, std::move(fd), path);
    }
    if (errno != EAGAIN) co_return connect_error(errno);
    // The listener's backlog is full, and there is no way to wait for a place in it.
    CO_CHECK(co_await sleep_for(kBacklogPause));
  }
}

// Whatever ran out of time within, the answer names the whole limit.
template <class T>
Result<std::unique_ptr<T>> name_errors(Connected connected, const std::string& to, Milliseconds limit) {
  if (connected) return std::move(*connected);
  auto error = std::move(connected).error();
  if (error.code == Code::kTimeout) error.message = "timed out after " + format_duration(limit);
  return std::unexpected(std::move(error).within("connect to " + to));
}

}  // namespace

Task<Result<std::unique_ptr<TcpStream>>> dial_tcp(Endpoint to, std::chrono::milliseconds limit) {
  return dial_tcp_in_segments(std::move(to), limit, 0);
}

Task<Result<std::unique_ptr<TcpStream>>> dial_tcp_in_segments(Endpoint to, std::chrono::milliseconds limit,
                                                              int longest) {
  auto connected = co_await with_timeout(connect_any(to, Clock::now() + limit, longest), limit);
  co_return name_errors<TcpStream>(std::move(connected), to_text(to), limit);
}

Task<Result<std::unique_ptr<Stream>>> dial_unix(std::string path, std::chrono::milliseconds limit) {
  auto connected = co_await with_timeout(connect_unix(path), limit);
  co_return name_errors<Stream>(std::move(connected), path, limit);
}

}  // namespace portolan::net
