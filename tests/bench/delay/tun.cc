#include "tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace portolan::delay {
namespace {

void enter(const std::string& network) {
  const std::string path = network.contains('/') ? network : "/run/netns/" + network;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(path);
  close(fd);
}

ifreq request(const std::string& device) {
  ifreq out{};
  device.copy(out.ifr_name, IFNAMSIZ - 1);
  return out;
}

void put_up(const std::string& device, unsigned mtu) {
  constexpr int kWaiting = 4000;  // packets, before the kernel drops what we have not read
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) die("socket");
  ifreq size = request(device);
  size.ifr_mtu = static_cast<int>(mtu);
  if (ioctl(any, SIOCSIFMTU, &size) != 0) die("MTU of " + device);
  ifreq queue = request(device);
  queue.ifr_qlen = kWaiting;
  if (ioctl(any, SIOCSIFTXQLEN, &queue) != 0) die("queue of " + device);
  ifreq flags = request(device);
  if (ioctl(any, SIOCGIFFLAGS, &flags) != 0) die("state of " + device);
  flags.ifr_flags |= IFF_UP;  // NOLINT(bugprone-narrowing-conversions): a short, as the kernel has it
  if (ioctl(any, SIOCSIFFLAGS, &flags) != 0) die("state of " + device);
  close(any);
}

}  // namespace

void die(const std::string& what) {
  std::fprintf(stderr, "portolan_delay: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

Tun::Tun(const std::string& network, const std::string& device, unsigned mtu) {
  enter(network);
  fd_ = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd_ < 0) die("/dev/net/tun");
  ifreq wanted = request(device);
  wanted.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(fd_, TUNSETIFF, &wanted) != 0) die("device " + device + " in " + network);
  put_up(device, mtu);
}

Tun::~Tun() { close(fd_); }

void Tun::take(Pieces pieces) {
  const unsigned long large = TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(fd_, TUNSETOFFLOAD, TUN_F_CSUM | (pieces == Pieces::kLarge ? large : 0UL)) != 0) die("TUNSETOFFLOAD");
}

std::size_t Tun::read(std::span<char> into) {
  const ssize_t count = ::read(fd_, into.data(), into.size());
  if (count < 0 && errno != EAGAIN && errno != EINTR) die("read");
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool Tun::write(std::span<const char> piece) { return ::write(fd_, piece.data(), piece.size()) > 0; }

}  // namespace portolan::delay
