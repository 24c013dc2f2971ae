#include "crypto/hash.h"

#include <climits>

#include <openssl/hmac.h>

#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

// Looked up by name once: OpenSSL 3 would do it again for every hash, under a lock, at the price of hashing half a
// kilobyte. Lives as long as the process.
const EVP_MD* sha256_method() {
  static const EVP_MD* const method = must(EVP_MD_fetch(nullptr, "SHA256", nullptr), "SHA-256");
  return method;
}

}  // namespace

Sha256 sha256(ByteView bytes) {
  Sha256 out;
  must(EVP_Digest(bytes.data(), bytes.size(), native_bytes(out.data()), nullptr, sha256_method(), nullptr) == 1,
       "SHA-256");
  return out;
}

Sha256Hasher::Sha256Hasher() : native_(must(EVP_MD_CTX_new(), "SHA-256")) {
  must(EVP_DigestInit_ex(native_.get(), sha256_method(), nullptr) == 1, "SHA-256");
}

void Sha256Hasher::add(ByteView bytes) {
  must(EVP_DigestUpdate(native_.get(), bytes.data(), bytes.size()) == 1, "SHA-256");
}

Sha256 Sha256Hasher::finish() {
  Sha256 out;
  must(EVP_DigestFinal_ex(native_.get(), native_bytes(out.data()), nullptr) == 1 &&
           EVP_DigestInit_ex(native_.get(), nullptr, nullptr) == 1,
       "SHA-256");
  return out;
}

void Sha256Hasher::Free::operator()(EVP_MD_CTX* native) const { EVP_MD_CTX_free(native); }

Sha256 hmac_sha256(ByteView key, ByteView bytes) {
  Sha256 out;
  must(key.size() <= INT_MAX, "HMAC-SHA-256 with a key of this size");
  // To OpenSSL a null pointer is no key and no text, not an empty one.
  const void* key_at = key.empty() ? "" : static_cast<const void*>(key.data());
  const void* at = bytes.empty() ? "" : static_cast<const void*>(bytes.data());
  must(HMAC(sha256_method(), key_at, static_cast<int>(key.size()), native_bytes(at), bytes.size(),
            native_bytes(out.data()), nullptr) != nullptr,
       "HMAC-SHA-256");
  return out;
}

Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, unsigned iterations) {
  Sha256 out;
  must(password.size() <= INT_MAX && salt.size() <= INT_MAX && iterations >= 1 && iterations <= INT_MAX,
       "PBKDF2 with these sizes");
  must(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), native_bytes(salt.data()),
                         static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                         static_cast<int>(out.size()), native_bytes(out.data())) == 1,
       "PBKDF2");
  return out;
}

std::string md5_hex(ByteView bytes) {
  std::array<std::byte, 16> out;
  must(EVP_Digest(bytes.data(), bytes.size(), native_bytes(out.data()), nullptr, EVP_md5(), nullptr) == 1, "MD5");
  return hex(out);
}

}  // namespace portolan::crypto
