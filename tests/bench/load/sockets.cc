#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace portolan::load {
namespace {

sockaddr_in plain(const Address& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address.host);
  out.sin_port = htons(address.port);
  return out;
}

// What a path does not take waits before `send`, not in megabytes of each socket: with many of them the kernel's limit
// for all TCP (net.ipv4.tcp_mem) would be what is measured, beyond which it drops segments. What is on its way is not
// limited by this, so a long line is filled none the less.
constexpr int kUnsent = 256 * 1024;

void prepare(const Fd& fd) {
  const int on = 1;
  if (setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("TCP_NODELAY");
  if (setsockopt(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsent, sizeof kUnsent) != 0) die("TCP_NOTSENT_LOWAT");
}

long moved(long result) {
  if (result > 0) return result;
  return result < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN) ? 0 : -1;
}

}  // namespace

void die(const char* what) {
  std::fprintf(stderr, "portolan_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::optional<Address> parse_address(std::string_view text) {
  Address out;
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    in_addr host{};
    if (inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &host) != 1) return std::nullopt;
    out.host = ntohl(host.s_addr);
    text.remove_prefix(colon + 1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

Fd listen_on(Address& at) {
  Fd out(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out) die("socket");
  sockaddr_in address = plain(at);
  socklen_t size = sizeof address;
  if (bind(out.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(out.get(), 4096) != 0 ||
      getsockname(out.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    die("listen");
  }
  at.port = ntohs(address.sin_port);
  return out;
}

Fd accept_from(const Fd& listener) {
  Fd out(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (out) {
    prepare(out);
  } else if (errno != EAGAIN && errno != ECONNABORTED) {
    die("accept");
  }
  return out;
}

Fd connect_to(const Address& to) {
  Fd out(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out) die("socket");
  prepare(out);
  const sockaddr_in address = plain(to);
  if (connect(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    die("connect");
  return out;
}

long receive(const Fd& fd, std::span<char> into) { return moved(recv(fd.get(), into.data(), into.size(), 0)); }

long send(const Fd& fd, std::span<const char> bytes) {
  return moved(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

Poller::Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!fd_) die("epoll");
}

void Poller::add(const Fd& fd, std::uint32_t events, void* owner) {
  epoll_event event{.events = events, .data = {.ptr = owner}};
  if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) die("epoll_ctl");
}

void Poller::change(const Fd& fd, std::uint32_t events, void* owner) {
  epoll_event event{.events = events, .data = {.ptr = owner}};
  if (epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) die("epoll_ctl");
}

std::span<epoll_event> Poller::wait(std::chrono::milliseconds limit) {
  const auto whole = static_cast<int>(std::max<std::int64_t>(limit.count(), 0));
  const int count = epoll_wait(fd_.get(), ready_, static_cast<int>(std::size(ready_)), whole);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  return {ready_, static_cast<std::size_t>(std::max(count, 0))};
}

}  // namespace portolan::load
