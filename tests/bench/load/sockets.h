// Plain sockets and epoll for portolan_load. It shares nothing with src/net on purpose: a fault of that must show in
// the figures, not be in the measuring as well. Single-threaded; what the system refuses ends the program with a
// message.
#pragma once
#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace portolan::load {

using Moment = std::chrono::steady_clock::time_point;
inline Moment now() { return std::chrono::steady_clock::now(); }

// What a connection is for: its first byte, sent by the client.
enum class Mode : char {
  kDiscard = 'd',  // the server reads and tells how many bytes it has read so far, as 8 bytes in host order
  kEcho = 'e',     // every byte comes back, this one too
  kSource = 's',   // the server sends until the client closes
  kHold = 'h',     // the server reads nothing more
};

inline constexpr std::size_t kBlock = 128 * 1024;

[[noreturn]] void die(const char* what);  // with errno

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { close(); }
  void close();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Address {
  std::uint32_t host = 0x7f000001;  // IPv4; 127.0.0.1 if no other is named
  std::uint16_t port = 0;
};
std::optional<Address> parse_address(std::string_view text);  // "PORT", "A.B.C.D:PORT"

Fd listen_on(Address& address);      // 0 stands for an ephemeral port, which it tells
Fd accept_from(const Fd& listener);  // non-blocking, TCP_NODELAY; none: there was nobody to accept
Fd connect_to(const Address& to);    // non-blocking, TCP_NODELAY; the connect may still be under way

// Bytes moved, 0 when it would block, -1 when the connection is over, for whatever reason.
long receive(const Fd& fd, std::span<char> into);
long send(const Fd& fd, std::span<const char> bytes);

class Poller {
 public:
  Poller();
  void add(const Fd& fd, std::uint32_t events, void* owner);
  void change(const Fd& fd, std::uint32_t events, void* owner);
  // What is ready, after at most `limit`; valid until the next call.
  std::span<epoll_event> wait(std::chrono::milliseconds limit);

 private:
  Fd fd_;
  epoll_event ready_[256];
};

}  // namespace portolan::load
