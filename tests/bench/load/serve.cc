#include "serve.h"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sockets.h"

namespace portolan::load {
namespace {

// A total is told when so much has come since the last one: rarely enough to weigh nothing, often enough to measure by.
constexpr std::uint64_t kTellAfter = 256 * 1024;
constexpr unsigned kReadsAtATime = 8;  // then others have their turn

struct Connection {
  Fd fd;
  std::optional<Mode> mode = {};
  std::uint64_t total = 0;
  std::uint64_t told = 0;
  std::vector<char> unsent = {};
  bool wants_to_send = false;
};

class Server {
 public:
  explicit Server(const Address& at) : address_(at), block_(kBlock) {
    poller_.add(listener_, EPOLLIN, nullptr);
    poller_.add(stdin_, EPOLLIN, &stdin_);
  }

  void run() {
    std::printf("{\"port\": %u}\n", address_.port);
    std::fflush(stdout);
    for (;;) {
      for (const epoll_event& event : poller_.wait(std::chrono::seconds(60))) {
        if (event.data.ptr == &stdin_) return;
        if (event.data.ptr == nullptr) {
          welcome();
        } else {
          auto& connection = *static_cast<Connection*>(event.data.ptr);
          if (!go_on(connection, event.events)) connections_.erase(&connection);
        }
      }
    }
  }

 private:
  void welcome() {
    while (Fd fd = accept_from(listener_)) {
      auto connection = std::make_unique<Connection>(Connection{std::move(fd)});
      poller_.add(connection->fd, EPOLLIN, connection.get());
      connections_.emplace(connection.get(), std::move(connection));
    }
  }

  // False: it is over.
  bool go_on(Connection& connection, std::uint32_t events) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) return false;
    if ((events & EPOLLOUT) != 0 && !flush(connection)) return false;
    if ((events & EPOLLIN) != 0 && !take(connection)) return false;
    if (connection.mode == Mode::kHold) return poller_.change(connection.fd, 0, &connection), true;
    if (connection.mode == Mode::kSource && !pour(connection)) return false;
    const bool wants = !connection.unsent.empty() || connection.mode == Mode::kSource;
    if (wants != connection.wants_to_send) {
      // Who does not take what he is answered is not read from: the memory of a slow reader is his own.
      poller_.change(connection.fd, (connection.unsent.empty() ? EPOLLIN : 0U) | (wants ? EPOLLOUT : 0U), &connection);
      connection.wants_to_send = wants;
    }
    return true;
  }

  bool take(Connection& connection) {
    for (unsigned i = 0; i < kReadsAtATime && connection.unsent.empty() && connection.mode != Mode::kHold; ++i) {
      const long count = receive(connection.fd, block_);
      if (count < 0) return false;
      if (count == 0) break;
      if (!connection.mode) connection.mode = Mode{block_[0]};
      connection.total += static_cast<std::uint64_t>(count);
      if (connection.mode == Mode::kEcho && !put(connection, {block_.data(), static_cast<std::size_t>(count)}))
        return false;
    }
    return tell(connection);
  }

  bool tell(Connection& connection) {
    if (connection.mode != Mode::kDiscard || !connection.unsent.empty()) return true;
    if (connection.total - connection.told < kTellAfter) return true;
    connection.told = connection.total;
    return put(connection, {reinterpret_cast<const char*>(&connection.total), sizeof connection.total});
  }

  bool pour(Connection& connection) {
    for (unsigned i = 0; i < kReadsAtATime; ++i) {
      const long count = send(connection.fd, block_);
      if (count <= 0) return count == 0;
    }
    return true;
  }

  bool put(Connection& connection, std::span<const char> bytes) {
    const long count = send(connection.fd, bytes);
    if (count < 0) return false;
    connection.unsent.assign(bytes.begin() + count, bytes.end());
    return true;
  }

  bool flush(Connection& connection) {
    if (connection.unsent.empty()) return true;
    const long count = send(connection.fd, connection.unsent);
    if (count < 0) return false;
    connection.unsent.erase(connection.unsent.begin(), connection.unsent.begin() + count);
    return true;
  }

  Address address_;
  Fd listener_ = listen_on(address_);
  Fd stdin_{STDIN_FILENO};
  Poller poller_;
  std::vector<char> block_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

}  // namespace

void serve(const Address& at) { Server(at).run(); }

}  // namespace portolan::load
