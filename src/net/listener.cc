#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/log.h"
#include "net/loop.h"
#include "net/socket_stream.h"
#include "net/system_error.h"
#include "net/tcp.h"

namespace portolan::net {

namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it to net.core.somaxconn
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kPause{100};

// Accepts on one descriptor. Kept alive by its listener only; callbacks hold it weakly.
class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  using OnSocket = std::move_only_function<void(UniqueFd, const SocketAddress&)>;

  Acceptor(const Executor& executor, UniqueFd fd, std::string name, OnSocket on_socket)
      : descriptor_(executor, fd.get()), pause_(executor), name_(std::move(name)), on_socket_(std::move(on_socket)) {
    fd.release();
  }

  void wait() {
    descriptor_.async_wait(Descriptor::wait_read, [weak = weak_from_this()](const boost::system::error_code& error) {
      const auto alive = weak.lock();
      if (alive && !error) alive->accept_some();
    });
  }

  // Nothing is accepted any more, even from within on_socket.
  void close() {
    closed_ = true;
    pause_.cancel();
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

 private:
  using Descriptor = boost::asio::posix::stream_descriptor;

  void accept_some() {
    const auto alive = shared_from_this();  // on_socket may destroy the listener
    for (int i = 0; i < kAcceptsPerTurn && !closed_; ++i) {
      SocketAddress address;
      UniqueFd fd(::accept4(descriptor_.native_handle(), address.raw(), &address.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) {
        on_socket_(std::move(fd), address);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        return pause(errno);
      }  // else the connection has gone before it was accepted
    }
    if (!closed_) wait();
  }

  // Connections wait in the backlog until there are descriptors again.
  void pause(int error) {
    if (!std::exchange(said_, true)) {
      log::warn("cannot accept connections for now", {{"listener", name_}, {"reason", errno_text(error)}});
    }
    pause_.schedule(kPause, [this] { wait(); });
  }

  Descriptor descriptor_;
  Timer pause_;
  std::string name_;
  OnSocket on_socket_;
  bool closed_ = false;
  bool said_ = false;
};

class TcpListener : public Listener {
 public:
  TcpListener(const Executor& executor, UniqueFd fd, Endpoint local, OnTcp on_accept)
      : local_(std::move(local)),
        acceptor_(std::make_shared<Acceptor>(
            executor, std::move(fd), to_text(local_),
            [executor, on_accept = std::move(on_accept)](UniqueFd accepted, const SocketAddress& from) mutable {
              set_tcp_options(accepted.get());
              on_accept(std::make_unique<SocketStream>(executor, std::move(accepted), to_text(to_endpoint(from))));
            })) {
    acceptor_->wait();
  }
  ~TcpListener() override { acceptor_->close(); }
  Endpoint local() const override { return local_; }

 private:
  Endpoint local_;
  std::shared_ptr<Acceptor> acceptor_;
};

class UnixListener : public Listener {
 public:
  UnixListener(const Executor& executor, UniqueFd fd, std::string path, ino_t inode, OnUnix on_accept)
      : path_(std::move(path)),
        inode_(inode),
        acceptor_(std::make_shared<Acceptor>(
            executor, std::move(fd), path_,
            [executor, name = path_, on_accept = std::move(on_accept)](UniqueFd accepted,
                                                                       const SocketAddress&) mutable {
              ucred peer = {};
              socklen_t size = sizeof(peer);
              if (::getsockopt(accepted.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
              on_accept(std::make_unique<SocketStream>(executor, std::move(accepted), name), peer.uid);
            })) {
    acceptor_->wait();
  }

  // A successor may have put its own socket there.
  ~UnixListener() override {
    acceptor_->close();
    struct stat now = {};
    if (::lstat(path_.c_str(), &now) == 0 && now.st_ino == inode_) ::unlink(path_.c_str());
  }

  Endpoint local() const override { return {path_, 0}; }

 private:
  std::string path_;
  ino_t inode_;
  std::shared_ptr<Acceptor> acceptor_;
};

// A name may stand in a configuration file ("localhost"); this is asked once, at the start.
Result<SocketAddress> address_to_listen_at(const Endpoint& at) {
  if (auto numeric = numeric_address(at)) return numeric;
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &found);
  if (error != 0) return fail(Code::kInvalid, "look up " + quoted(at.host, 253) + ": " + gai_strerror(error));
  SocketAddress address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  freeaddrinfo(found);
  return address;
}

enum class Reach { kThisFamily, kBothFamilies };

Result<UniqueFd> listen_at(const SocketAddress& address, Reach reach) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return connect_error(errno);
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (address.family() == AF_INET6) {
    const int only = reach == Reach::kThisFamily ? 1 : 0;
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
  }
  if (::bind(fd.get(), address.raw(), address.size) != 0) return connect_error(errno);
  if (::listen(fd.get(), kBacklog) != 0) return connect_error(errno);
  return fd;
}

Result<UniqueFd> listen_tcp_at(const Endpoint& at) {
  if (!at.host.empty()) {
    PL_TRY(const auto address, address_to_listen_at(at));
    return listen_at(address, Reach::kThisFamily);
  }
  PL_TRY(const auto all, numeric_address({"::", at.port}));
  auto both = listen_at(all, Reach::kBothFamilies);
  if (both || both.error().code != Code::kInvalid) return both;
  PL_TRY(const auto all_ipv4, numeric_address({"0.0.0.0", at.port}));  // a machine without IPv6
  return listen_at(all_ipv4, Reach::kThisFamily);
}

Error explain_listen(Error error, const Endpoint& at) {
  if (error.code == Code::kConflict) {
    const auto holder = find_port_holder(at);
    error.message = "port " + std::to_string(at.port) + " is taken" + (holder ? " by " + to_text(*holder) : "");
  }
  return std::move(error).within("listen at " + to_text(at));
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_tcp(const Executor& executor, Endpoint at, Listener::OnTcp on_accept) {
  auto fd = listen_tcp_at(at);
  if (!fd) return std::unexpected(explain_listen(std::move(fd).error(), at));
  SocketAddress bound;
  ::getsockname(fd->get(), bound.raw(), &bound.size);
  return std::make_unique<TcpListener>(executor, std::move(*fd), to_endpoint(bound), std::move(on_accept));
}

namespace {

// Makes room at the path: a socket that nobody answers is left over from a process that was killed.
Result<> remove_stale(const std::string& path, const SocketAddress& address) {
  struct stat there = {};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return {};
    return connect_error(errno);
  }
  if (!S_ISSOCK(there.st_mode)) return fail(Code::kConflict, "there is something else than a socket");
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return connect_error(errno);
  if (::connect(probe.get(), address.raw(), address.size) == 0 || errno == EAGAIN) {
    return fail(Code::kConflict, "another process listens there");
  }
  if (errno != ECONNREFUSED) return connect_error(errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return connect_error(errno);
  return {};
}

Result<UniqueFd> listen_unix_at(const std::string& path) {
  PL_TRY(const auto address, unix_address(path));
  PL_CHECK(remove_stale(path, address));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return connect_error(errno);
  if (::bind(fd.get(), address.raw(), address.size) != 0) return connect_error(errno);
  // Nobody can connect before listen(), so the mode is right in time.
  if (::chmod(path.c_str(), 0600) != 0) return connect_error(errno);
  if (::listen(fd.get(), kBacklog) != 0) return connect_error(errno);
  return fd;
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_unix(const Executor& executor, std::string path, Listener::OnUnix on_accept) {
  auto fd = listen_unix_at(path);
  if (!fd) return std::unexpected(std::move(fd).error().within("listen at " + path));
  struct stat made = {};
  ::lstat(path.c_str(), &made);
  return std::make_unique<UnixListener>(executor, std::move(*fd), std::move(path), made.st_ino, std::move(on_accept));
}

}  // namespace portolan::net
