// SHA-1, for the one protocol that asks for it where it protects nothing: WebSocket's handshake (RFC 6455 §4.2.2).
#pragma once
#include <array>
#include <cstddef>

#include "base/bytes.h"

namespace portolan::crypto {

std::array<std::byte, 20> sha1(ByteView bytes);

}  // namespace portolan::crypto
