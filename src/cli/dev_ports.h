// Where `portolan dev` listens: every port at a fixed distance from one base, so that several can run side by side.
//
//   N      control plane          N+4 … N+9      further gateways
//   N+1    first gateway          N+10 … N+89    resources
//   N+2    agent status           N+90 + i       health of node i
//   N+3    web proxy              N+110 + i      metrics of node i
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace portolan::cli {

struct DevPorts {
  static constexpr std::size_t kMostGateways = 7;
  static constexpr std::size_t kMostNodes = 20;
  static constexpr std::size_t kMostResources = 80;
  static constexpr std::uint16_t kSpan = 130;
  // Resource ports must lie in 10000–32767, the ephemeral range above being the kernel's.
  static constexpr std::uint16_t kLowestBase = 9'990;
  static constexpr std::uint16_t kHighestBase = 32'678;

  std::uint16_t base = 0;

  std::uint16_t control() const { return base; }
  std::uint16_t gateway(std::size_t i) const { return static_cast<std::uint16_t>(i == 0 ? base + 1 : base + 3 + i); }
  std::uint16_t agent_status() const { return static_cast<std::uint16_t>(base + 2); }
  std::uint16_t web_proxy() const { return static_cast<std::uint16_t>(base + 3); }
  std::uint16_t resource(std::size_t i) const { return static_cast<std::uint16_t>(base + 10 + i); }
  std::uint16_t health(std::size_t i) const { return static_cast<std::uint16_t>(base + 90 + i); }
  std::uint16_t metrics(std::size_t i) const { return static_cast<std::uint16_t>(base + 110 + i); }
  bool is_resource_port(std::uint16_t port) const { return port >= resource(0) && port < resource(kMostResources); }
};

Result<> check_base(std::uint16_t base);

// Keeps a base for this process: another `dev` that looks for one passes it by.
class BaseReservation {
 public:
  explicit BaseReservation(int socket) : socket_(socket) {}
  BaseReservation(const BaseReservation&) = delete;
  BaseReservation& operator=(const BaseReservation&) = delete;
  ~BaseReservation();

 private:
  int socket_;
};

struct ChosenBase {
  DevPorts ports;
  std::unique_ptr<BaseReservation> reservation;
};
// A base whose ports can all be bound on 127.0.0.1: `preferred` (the last one of this data folder) if it is free, else
// any.
Result<ChosenBase> choose_base(std::optional<std::uint16_t> preferred);

}  // namespace portolan::cli
