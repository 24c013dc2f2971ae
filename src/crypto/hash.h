// Hashes, message authentication and key derivation, over OpenSSL.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace portolan::crypto {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(ByteView bytes);
Sha256 hmac_sha256(ByteView key, ByteView bytes);
// RFC 8018; the caller bounds `iterations`, which may come from a peer: at least 1.
Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, unsigned iterations);
// Only for PostgreSQL's md5 sign-in.
std::string md5_hex(ByteView bytes);

}  // namespace portolan::crypto
