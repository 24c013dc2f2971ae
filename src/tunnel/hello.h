// The first words on every link (docs/wire.md, "Hello"): which versions of the wire each side speaks, and which
// optional features. Both send at once; each takes the highest version that both know. Fixed encoding, checked before
// anything is allocated.
//
//   magic "PTLN" | u16 length of what follows, 14 to 256 | u16 oldest | u16 newest | u64 features | u16 length,
//   software
//
// Numbers in network byte order. Bytes behind `software`, within the length, belong to later versions and are ignored.
// Test vector: versions 1 to 2, features 5, software "portolan 0.1.0":
//   50544c4e 001c 0001 0002 0000000000000005 000e 706f72746f6c616e20302e312e30
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "net/stream.h"

namespace portolan::tunnel {

inline constexpr std::uint16_t kOldestVersion = 1;
inline constexpr std::uint16_t kNewestVersion = 1;

struct Hello {
  std::uint16_t oldest = kOldestVersion;
  std::uint16_t newest = kNewestVersion;
  std::uint64_t features = 0;  // bits; unknown ones are ignored
  std::string software;        // "portolan 0.1.0", at most 64 bytes of printable ASCII, for people
  bool operator==(const Hello&) const = default;
};

struct Agreed {
  std::uint16_t version = 0;
  std::uint64_t features = 0;  // what both have
  std::string peer_software;
};

Bytes encode(const Hello& hello);
// From a complete frame; Code::kProtocol for anything else.
Result<Hello> decode_hello(ByteView frame);
// No common version is Code::kProtocol, naming both ranges.
Result<Agreed> agree(const Hello& ours, const Hello& theirs);

// Exchanges hellos on a stream within `limit`; what the peer sent behind its hello stays in `reader`.
net::Task<Result<Agreed>> exchange_hello(net::Stream& stream, net::Reader& reader, Hello ours,
                                         std::chrono::milliseconds limit);

}  // namespace portolan::tunnel
