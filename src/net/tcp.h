// TCP and Unix sockets as Streams, listeners, dialling with name look-up. Every socket is non-blocking with
// TCP_NODELAY.
#pragma once
#include <sys/types.h>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/stream.h"

namespace portolan::net {

struct Endpoint {
  std::string host;  // a name, an IPv4 or IPv6 address without brackets
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};
// "host:port", "[::1]:5000", ":5000" (all addresses) and, with a default, "host".
Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port = 0);
std::string to_text(const Endpoint& endpoint);

// A connected socket.
class TcpStream : public Stream {
 public:
  virtual Endpoint local() const = 0;
  virtual Endpoint peer() const = 0;
  // The first byte that can be read, which stays there; none: nothing can be read now.
  virtual std::optional<std::byte> peek() const = 0;
  // Reads into memory of the caller and no further: number of bytes, 0 for the end; nothing for kWait.
  virtual Result<std::optional<std::size_t>> try_read_into(std::span<std::byte> into) = 0;
  // The user on this machine who owns the other end of a loopback connection, by socket diagnostics (sock_diag(7));
  // Code::kNotFound if the peer is not on this machine or has gone.
  virtual Result<uid_t> peer_user() const = 0;
};

// Fills `into`, which lives until the task ends, and takes nothing of what follows. Code::kEof if the stream ends
// before.
Task<Result<>> read_exactly(TcpStream& stream, std::span<std::byte> into);

// Looks the name up (never blocking the loop) and tries its addresses in turn, all within `limit`. Errors name the
// endpoint.
Task<Result<std::unique_ptr<TcpStream>>> dial_tcp(Endpoint to, std::chrono::milliseconds limit);
Task<Result<std::unique_ptr<Stream>>> dial_unix(std::string path, std::chrono::milliseconds limit);

// Accepts until it is destroyed. `on_accept` runs on the loop and does no work of its own beyond spawning a task. Out
// of descriptors: it pauses for a moment instead of spinning, and says so once.
class Listener {
 public:
  using OnTcp = std::move_only_function<void(std::unique_ptr<TcpStream>)>;
  using OnUnix = std::move_only_function<void(std::unique_ptr<Stream>, uid_t peer)>;
  virtual ~Listener() = default;
  virtual Endpoint local() const = 0;
};

// Port 0 picks a free one. Errors: Code::kConflict if the port is taken, naming the port.
Result<std::unique_ptr<Listener>> listen_tcp(const Executor& executor, Endpoint at, Listener::OnTcp on_accept);
// A socket file of mode 0600; a stale one (nobody answers) is replaced, a live one is Code::kConflict. Removed at the
// end.
Result<std::unique_ptr<Listener>> listen_unix(const Executor& executor, std::string path, Listener::OnUnix on_accept);

// Who listens on a local TCP port. `process` is empty and `pid` 0 if we may not look into the process.
struct PortHolder {
  uid_t user = 0;
  std::string user_name;
  std::string process;
  std::int64_t pid = 0;
};
// Whose listener keeps others from binding to `at`: on that very address, or on all of them.
std::optional<PortHolder> find_port_holder(const Endpoint& at);
// For messages: "postgres (pid 123, user postgres)", "a process of user postgres".
std::string to_text(const PortHolder& holder);

}  // namespace portolan::net
