#include "crypto/sha1.h"

#include <openssl/evp.h>

#include "crypto/openssl.h"

namespace portolan::crypto {

std::array<std::byte, 20> sha1(ByteView bytes) {
  std::array<std::byte, 20> out{};
  must(EVP_Digest(bytes.data(), bytes.size(), native_bytes(out.data()), nullptr, EVP_sha1(), nullptr) == 1, "sha1");
  return out;
}

}  // namespace portolan::crypto
