#include "update/key_file.h"

#include <utility>

#include "base/file.h"
#include "base/id.h"
#include "crypto/sealing.h"

namespace portolan::update {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSealed = "portolan-sealed-key-1\n";
constexpr std::string_view kContext = "release key";
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kLimit = 16 * 1024;

Result<> check_free(const fs::path& path) {
  std::error_code error;
  if (fs::symlink_status(path, error).type() == fs::file_type::not_found) return {};
  return fail(Code::kConflict, path.string() + " is there already; a key is never written over");
}

Result<std::string> sealed_text(const Secret& pem, const Secret& passphrase) {
  Bytes salt(kSaltSize);
  fill_random(salt);
  PL_TRY(const auto key, crypto::SealingKey::from_passphrase(passphrase, salt));
  return std::string(kSealed) + base64url(salt) + "\n" + key.seal(pem, kContext) + "\n";
}

Result<Secret> unsealed(std::string_view text, const Secret& passphrase) {
  text.remove_prefix(kSealed.size());
  const auto line = text.find('\n');
  if (line == std::string_view::npos || !text.ends_with('\n')) return fail(Code::kInvalid, "cut off");
  PL_TRY(const Bytes salt, from_base64url(text.substr(0, line)));
  if (salt.size() != kSaltSize) return fail(Code::kInvalid, "a salt of another size");
  PL_TRY(const auto key, crypto::SealingKey::from_passphrase(passphrase, salt));
  text.remove_prefix(line + 1);
  text.remove_suffix(text.empty() ? 0 : 1);
  auto plain = key.open(text, kContext);
  if (!plain) return fail(Code::kDenied, "it is another passphrase, or the file was altered");
  return plain;
}

}  // namespace

Result<> write_key(const fs::path& path, const crypto::Ed25519PrivateKey& key,
                   const std::optional<Secret>& passphrase) {
  const fs::path open_half = path.string() + ".pub";
  PL_CHECK(check_free(path));
  PL_CHECK(check_free(open_half));
  Secret text = key.pem();
  if (passphrase) {
    PL_TRY(auto sealed, sealed_text(text, *passphrase));
    text = Secret(std::move(sealed));
  }
  PL_CHECK(write_file(path, text.reveal(), Privacy::kPrivate));
  return write_file(open_half, key.public_key().pem(), Privacy::kPublic);
}

Result<crypto::Ed25519PrivateKey> read_key(const fs::path& path, const std::optional<Secret>& passphrase) {
  PL_TRY(auto content, read_private_file(path, kLimit));
  Secret text(std::move(content));
  if (text.reveal().starts_with(kSealed)) {
    if (!passphrase)
      return fail(Code::kInvalid, path.string() + " is sealed with a passphrase; give --passphrase-file FILE",
                  std::string(kNeedsPassphrase));
    auto plain = unsealed(text.reveal(), *passphrase);
    if (!plain) return std::unexpected(std::move(plain).error().within(path.string()));
    text = std::move(*plain);
  }
  auto key = crypto::Ed25519PrivateKey::from_pem(text);
  if (!key) return std::unexpected(std::move(key).error().within(path.string()));
  return key;
}

}  // namespace portolan::update
