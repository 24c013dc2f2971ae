#include "directory/local_ports.h"

namespace portolan::directory {
namespace {

constexpr unsigned kFirst = 10000;
constexpr unsigned kLast = 32767;
constexpr unsigned kCount = kLast - kFirst + 1;

}  // namespace

LocalPorts::LocalPorts(const Snapshot& snapshot) : taken_(kCount) {
  for (const auto& [id, resource] : snapshot.resources) take(resource.local_port);
}

void LocalPorts::take(std::uint16_t port) {
  if (port >= kFirst && port <= kLast) taken_[port - kFirst] = true;
}

void LocalPorts::release(std::uint16_t port) {
  if (port >= kFirst && port <= kLast) taken_[port - kFirst] = false;
}

Result<std::uint16_t> LocalPorts::choose(std::uint16_t protocol_port) {
  const unsigned begin = protocol_port < kCount ? protocol_port : 0;
  for (unsigned i = 0; i < kCount; ++i) {
    const unsigned offset = (begin + i) % kCount;
    if (taken_[offset]) continue;
    taken_[offset] = true;
    return static_cast<std::uint16_t>(kFirst + offset);
  }
  return fail(Code::kLimit,
              "all local ports from 10000 to 32767 are taken by other resources; remove a resource first");
}

Result<std::uint16_t> choose_local_port(const Snapshot& snapshot, std::uint16_t protocol_port) {
  return LocalPorts(snapshot).choose(protocol_port);
}

}  // namespace portolan::directory
