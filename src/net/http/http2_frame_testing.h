// A frame of HTTP/2 made by hand (RFC 9113 §4.1), for tests of what a peer may not say.
#pragma once
#include <cstdint>

#include "base/bytes.h"

namespace portolan::net::http::testing {

inline Bytes frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, ByteView payload = {}) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(payload.size() >> 16));
  out.u16(static_cast<std::uint16_t>(payload.size()));
  out.u8(type);
  out.u8(flags);
  out.u32(stream);
  out.bytes(payload);
  return out.take();
}

}  // namespace portolan::net::http::testing
