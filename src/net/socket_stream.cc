#include "net/socket_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "net/system_error.h"

namespace portolan::net {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

void set_tcp_options(int fd) {
  auto set = [fd](int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof(value)); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

// The waiters, and Asio's descriptor. A wait that is armed stays so when its waiter is forgotten: it then serves the
// next one.
struct SocketStream::Waits : std::enable_shared_from_this<Waits> {
  using Descriptor = boost::asio::posix::stream_descriptor;
  struct Side {
    Descriptor::wait_type type;
    Ready ready = {};
    bool armed = false;
  };

  explicit Waits(const Executor& executor) : descriptor(executor) {}

  Descriptor descriptor;
  Side readable{Descriptor::wait_read};
  Side writable{Descriptor::wait_write};
  bool may_have_arrived = false;

  void wait(Side Waits::* which, Ready ready) {
    auto& side = this->*which;
    side.ready = std::move(ready);
    if (side.armed) return;
    side.armed = true;
    descriptor.async_wait(side.type, [weak = weak_from_this(), which](const boost::system::error_code&) {
      const auto alive = weak.lock();
      if (!alive) return;
      auto& rung = (*alive).*which;
      rung.armed = false;
      if (which == &Waits::readable) alive->may_have_arrived = true;
      if (auto waiter = std::exchange(rung.ready, {})) waiter();
    });
  }
};

SocketStream::SocketStream(const Executor& executor, UniqueFd fd, std::string peer_text)
    : executor_(executor), fd_(fd.get()), peer_text_(std::move(peer_text)) {
  waits_ = std::make_shared<Waits>(executor_);
  boost::system::error_code error;
  waits_->descriptor.assign(fd_, error);
  if (error) {
    read_error_ = write_error_ = explain("watch", error.value());
  } else {
    fd.release();
  }
}

SocketStream::~SocketStream() {
  cancel_readable();
  cancel_writable();
}

Result<> SocketStream::forget_writing() {
  boost::system::error_code error;
  waits_->descriptor.assign(waits_->descriptor.release(), error);
  if (!error) return {};
  ::close(fd_);  // nobody's any more
  read_error_ = write_error_ = explain("watch", error.value());
  return std::unexpected(*read_error_);
}

Error SocketStream::explain(const char* doing, int error) const {
  return Error{Code::kIo, errno_text(error)}.within(std::string(doing) + " " + peer_text_);
}

Result<std::optional<std::size_t>> SocketStream::try_read_into(std::span<std::byte> into) {
  if (read_error_) return std::unexpected(*read_error_);
  if (ended_) return 0;
  // After a short read one system call is saved by waiting for the next arrival; a second attempt asks the kernel
  // again.
  if (std::exchange(drained_, false) && !waits_->may_have_arrived) return std::nullopt;
  ssize_t n = 0;
  do {
    n = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  waits_->may_have_arrived = false;
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
  if (n < 0) {
    read_error_ = explain("read from", errno);
    return std::unexpected(*read_error_);
  }
  ended_ = n == 0;
  drained_ = static_cast<std::size_t>(n) < into.size();
  return static_cast<std::size_t>(n);
}

std::optional<std::byte> SocketStream::peek() const {
  std::byte first{};
  if (read_error_ || ::recv(fd_, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) return std::nullopt;
  return first;
}

Result<Chunk> SocketStream::try_read() {
  if (drained_ && !waits_->may_have_arrived && !ended_ && !read_error_) {
    drained_ = false;
    return Chunk{};
  }
  auto buffer = Buffer::take();
  PL_TRY(const auto n, try_read_into(buffer.spare()));
  if (!n) return Chunk{};
  if (*n == 0) return Chunk{Chunk::Kind::kEnd};
  buffer.grow(*n);
  return Chunk{Chunk::Kind::kData, std::move(buffer)};
}

Result<std::size_t> SocketStream::try_write(ByteView bytes) {
  if (write_error_) return std::unexpected(*write_error_);
  if (half_closed_) return fail(Code::kInternal, "write after half-close");
  if (bytes.empty()) return 0;
  ssize_t n = 0;
  do {
    n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return static_cast<std::size_t>(n);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  write_error_ = explain("write to", errno);
  return std::unexpected(*write_error_);
}

Result<> SocketStream::shutdown_send() {
  if (write_error_) return std::unexpected(*write_error_);
  if (half_closed_) return {};
  half_closed_ = true;
  if (::shutdown(fd_, SHUT_WR) == 0) return {};
  write_error_ = explain("half-close", errno);
  return std::unexpected(*write_error_);
}

void SocketStream::on_readable(Ready ready) { waits_->wait(&Waits::readable, std::move(ready)); }
void SocketStream::on_writable(Ready ready) { waits_->wait(&Waits::writable, std::move(ready)); }
void SocketStream::cancel_readable() { const auto dropped = std::exchange(waits_->readable.ready, {}); }
void SocketStream::cancel_writable() { const auto dropped = std::exchange(waits_->writable.ready, {}); }

namespace {

SocketAddress name_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  SocketAddress address;
  if (ask(fd, address.raw(), &address.size) != 0) return {};
  return address;
}

}  // namespace

Endpoint SocketStream::local() const { return to_endpoint(name_of(fd_, ::getsockname)); }
Endpoint SocketStream::peer() const { return client_ ? *client_ : to_endpoint(name_of(fd_, ::getpeername)); }

void SocketStream::came_from(const Endpoint& client) {
  peer_text_ = to_text(client) + " by " + peer_text_;
  client_ = std::make_unique<const Endpoint>(client);
}

Result<uid_t> SocketStream::peer_user() const {
  return user_of_peer(name_of(fd_, ::getsockname), name_of(fd_, ::getpeername));
}

}  // namespace portolan::net
