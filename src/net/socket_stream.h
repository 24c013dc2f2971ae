// A connected socket, TCP or Unix, as a Stream. Asio only tells when it is ready; recv and send are ours, since that is
// where the throughput is decided (no buffer while waiting, whole blocks, no re-arming while there is more). For net/
// only.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/socket_address.h"
#include "net/tcp.h"

namespace portolan::net {

// A descriptor that closes itself.
class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// TCP_NODELAY, and keep-alive probes so that a peer that has vanished is noticed within two minutes.
void set_tcp_options(int fd);

class SocketStream : public TcpStream {
 public:
  // `fd` is non-blocking; `peer_text` is how messages call the other end.
  SocketStream(const Executor& executor, UniqueFd fd, std::string peer_text);
  ~SocketStream() override;

  Result<Chunk> try_read() override;
  Result<std::optional<std::size_t>> try_read_into(std::span<std::byte> into) override;
  std::optional<std::byte> peek() const override;
  Result<std::size_t> try_write(ByteView bytes) override;
  Result<> shutdown_send() override;
  std::size_t unsent() const override { return 0; }
  void on_readable(Ready ready) override;
  void on_writable(Ready ready) override;
  void cancel_readable() override;
  void cancel_writable() override;
  const Executor& executor() const override { return executor_; }
  std::string describe() const override { return peer_text_; }
  Endpoint local() const override;
  Endpoint peer() const override;
  Result<uid_t> peer_user() const override;
  // A balancer has said whose connection it is: peer() and messages name that one from now on.
  void came_from(const Endpoint& client);
  int fd() const { return fd_; }
  // Once somebody has waited to write, the system tells with each wait to read that writing is possible: a wake-up for
  // nothing. This ends that, while nobody waits.
  Result<> forget_writing();
  // The last read took all there was: who waits now is told of what comes.
  bool drained() const { return drained_; }

 private:
  struct Waits;
  Error explain(const char* doing, int error) const;

  Executor executor_;
  std::shared_ptr<Waits> waits_;  // owns the descriptor
  int fd_;
  std::string peer_text_;
  std::unique_ptr<const Endpoint> client_;  // behind a balancer
  // Apart, since a peer that ends a connection may have said why: it can still be read when writing has failed.
  std::optional<Error> read_error_;
  std::optional<Error> write_error_;
  bool drained_ = false;  // the last read took less than it could: the next would most likely find nothing
  bool ended_ = false;
  bool half_closed_ = false;
};

// The user who owns the other end of a connection within this machine (sock_diag(7)).
Result<uid_t> user_of_peer(const SocketAddress& local, const SocketAddress& peer);

}  // namespace portolan::net
