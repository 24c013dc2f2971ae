#include "cli/dev_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/id.h"
#include "cli/exit.h"

namespace portolan::cli {
namespace {

constexpr int kTries = 400;
constexpr std::uint16_t kFirstBlock = 10'000;
constexpr std::uint16_t kBlocks = 170;

// A socket bound to the port of 127.0.0.1, -1 if that is taken.
int bound_socket(int type, std::uint16_t port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // old connections do not count
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

bool is_free(std::uint16_t port) {
  const int fd = bound_socket(SOCK_STREAM, port);
  if (fd < 0) return false;
  // Binding beside a listener is allowed with SO_REUSEADDR only while nobody listens; listen() settles it.
  const bool free = listen(fd, 1) == 0;
  close(fd);
  return free;
}

// UDP is used by none of the parts: a bound UDP socket is a sign that only another `dev` reads.
std::unique_ptr<BaseReservation> reserve(std::uint16_t base) {
  const int fd = bound_socket(SOCK_DGRAM, base);
  if (fd < 0) return nullptr;
  auto reservation = std::make_unique<BaseReservation>(fd);
  for (std::uint16_t port = base; port < base + DevPorts::kSpan; ++port)
    if (!is_free(port)) return nullptr;
  return reservation;
}

}  // namespace

BaseReservation::~BaseReservation() {
  if (socket_ >= 0) close(socket_);
}

Result<> check_base(std::uint16_t base) {
  if (base >= DevPorts::kLowestBase && base <= DevPorts::kHighestBase) return {};
  return wrong_usage(
      fmt::format("--port-base: must be {} to {}, since resources listen from 10 above it within 10000–32767",
                  DevPorts::kLowestBase, DevPorts::kHighestBase));
}

Result<ChosenBase> choose_base(std::optional<std::uint16_t> preferred) {
  if (preferred && check_base(*preferred)) {
    if (auto reservation = reserve(*preferred)) return ChosenBase{{*preferred}, std::move(reservation)};
  }
  for (int i = 0; i < kTries; ++i) {
    std::uint16_t random = 0;
    fill_random(std::as_writable_bytes(std::span(&random, 1)));
    const auto base = static_cast<std::uint16_t>(kFirstBlock + random % kBlocks * DevPorts::kSpan);
    if (auto reservation = reserve(base)) return ChosenBase{{base}, std::move(reservation)};
  }
  return fail(Code::kConflict, "no free block of ports was found on 127.0.0.1; choose one with --port-base");
}

}  // namespace portolan::cli
