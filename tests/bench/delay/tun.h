// A TUN device in a network namespace: what the kernel routes to it can be read, what is written to it arrives there.
// https://docs.kernel.org/networking/tuntap.html
//
// Each packet has a virtio_net_hdr before it (IFF_VNET_HDR). It is passed on as it came: so the kernel need not compute
// checksums, and may hand over up to 64 KiB of TCP at once (TSO), which the other side takes as one piece, too. That
// is what makes several Gbit/s possible with one read and one write a piece.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace portolan::delay {

inline constexpr std::size_t kHeader = 10;                // of virtio_net_hdr
inline constexpr std::size_t kLargest = kHeader + 65536;  // of what is read or written at once

class Tun {
 public:
  // Makes the device, in the namespace of this name (of /run/netns) or path, sets its MTU and puts it up; it has no
  // address yet, and is gone when this is. The thread stays in that namespace. What fails ends the program.
  Tun(const std::string& network, const std::string& device, unsigned mtu);
  Tun(const Tun&) = delete;
  Tun& operator=(const Tun&) = delete;
  ~Tun();

  enum class Pieces : std::uint8_t { kLarge, kSingle };
  void take(Pieces pieces);  // whether TCP may come in pieces of several packets

  int fd() const { return fd_; }
  std::size_t read(std::span<char> into);   // 0: nothing there
  bool write(std::span<const char> piece);  // false: the device did not take it

 private:
  int fd_ = -1;
};

[[noreturn]] void die(const std::string& what);  // with errno

}  // namespace portolan::delay
