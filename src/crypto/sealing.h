// Sealing: secrets at rest, encrypted with AES-256-GCM under a key that lies outside the database (architecture §5).
// Sealed form, versioned: "v1." key id "." base64url(nonce ‖ ciphertext ‖ tag). The context (what the secret belongs
// to, such as "resource/rs-…/password") is authenticated, so that a sealed value cannot be moved to another object.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::crypto {

class SealingKey {
 public:
  static SealingKey generate();
  // A file of mode 0600 with the key in base64url; made if it is missing and `create` says so.
  enum class Create { kNo, kIfMissing };
  static Result<SealingKey> from_file(const std::filesystem::path& path, Create create);
  // By argon2id with a salt kept beside the data (the salt is no secret).
  static Result<SealingKey> from_passphrase(const Secret& passphrase, ByteView salt);
  static Result<SealingKey> from_text(const Secret& base64url_key);

  // At most 1 MiB; more is a bug of the caller.
  std::string seal(const Secret& plain, std::string_view context) const;
  // Code::kDenied if it was sealed with another key, for another context, or altered.
  Result<Secret> open(std::string_view sealed, std::string_view context) const;
  std::string id() const;  // eight hexadecimal digits of the key's hash
  Secret text() const;

 private:
  explicit SealingKey(Secret key) : key_(std::move(key)) {}
  Secret key_;  // 32 bytes
};

}  // namespace portolan::crypto
