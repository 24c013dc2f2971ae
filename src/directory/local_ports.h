// Which local ports are taken: for who chooses many, one after the other.
#pragma once
#include <cstdint>
#include <vector>

#include "directory/decision.h"

namespace portolan::directory {

class LocalPorts {
 public:
  explicit LocalPorts(const Snapshot& snapshot);
  // Ports out of the range count for nothing.
  void take(std::uint16_t port);
  void release(std::uint16_t port);
  // Takes 10000 + the protocol's port, or the next free one above it, as choose_local_port does.
  Result<std::uint16_t> choose(std::uint16_t protocol_port);

 private:
  std::vector<bool> taken_;
};

}  // namespace portolan::directory
