#include "crypto/sealing.h"

#include <array>
#include <system_error>

#include <argon2.h>

#include "base/file.h"
#include "base/id.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"

namespace portolan::crypto {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kKeyFileLimit = 1024;
constexpr std::size_t kPlainLimit = 1024 * 1024;
constexpr std::size_t kSealedLimit = 2 * kPlainLimit;

// RFC 9106's second recommendation, in one lane: this runs once at start, not at every sign-in.
constexpr std::uint32_t kPassphraseMemoryKib = 64 * 1024;
constexpr std::uint32_t kPassphrasePasses = 3;

using Cipher = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

std::string prefix_for(const std::string& id) { return "v1." + id + "."; }

// The authenticated text beside the cipher: version, key and context, so that none of them can be exchanged.
void authenticate(EVP_CIPHER_CTX* cipher, const std::string& prefix, std::string_view context) {
  const std::string text = prefix + std::string(context);
  int size = 0;
  must(EVP_CipherUpdate(cipher, nullptr, &size, native_bytes(text.data()), static_cast<int>(text.size())) == 1,
       "AES-256-GCM");
}

Cipher make_cipher(const std::string& key, ByteView nonce, int encrypt) {
  Cipher cipher(must(EVP_CIPHER_CTX_new(), "EVP_CIPHER_CTX_new"));
  must(EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, native_bytes(key.data()), native_bytes(nonce.data()),
                         encrypt) == 1,
       "AES-256-GCM");
  return cipher;
}

// A text file's end of line is no part of the key.
std::string_view without_line_end(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

SealingKey SealingKey::generate() {
  std::string key(kKeySize, '\0');
  fill_random(std::as_writable_bytes(std::span(key)));
  return SealingKey(Secret(std::move(key)));
}

Result<SealingKey> SealingKey::from_text(const Secret& base64url_key) {
  auto bytes = from_base64url(base64url_key.reveal());
  if (!bytes) return fail(Code::kInvalid, "sealing key is not base64url");
  Secret key{std::string(as_text(*bytes))};
  wipe(*bytes);
  if (key.reveal().size() != kKeySize) return fail(Code::kInvalid, "sealing key is not of 32 bytes");
  return SealingKey(std::move(key));
}

Result<SealingKey> SealingKey::from_file(const std::filesystem::path& path, Create create) {
  auto content = read_private_file(path, kKeyFileLimit);
  if (!content && content.error().code == Code::kNotFound && create == Create::kIfMissing) {
    // Written beside its place and linked into it, which fails if another process was faster: a key that has sealed
    // anything must never be replaced.
    const std::filesystem::path made = path.string() + ".new-" + make_token(6);
    const Secret line(generate().text().reveal() + "\n");
    PL_CHECK(write_file(made, line.reveal(), Privacy::kPrivate));
    std::error_code error;
    std::filesystem::create_hard_link(made, path, error);
    std::error_code ignored;
    std::filesystem::remove(made, ignored);
    if (error && error != std::errc::file_exists)
      return fail(Code::kIo, "create " + path.string() + ": " + error.message());
    content = read_private_file(path, kKeyFileLimit);
  }
  if (!content) return std::unexpected(std::move(content).error());
  const Secret text(std::move(*content));
  auto key = from_text(Secret(std::string(without_line_end(text.reveal()))));
  if (!key) return std::unexpected(std::move(key).error().within("read " + path.string()));
  return key;
}

Result<SealingKey> SealingKey::from_passphrase(const Secret& passphrase, ByteView salt) {
  if (passphrase.empty()) return fail(Code::kInvalid, "the passphrase is empty");
  if (salt.size() < kSaltSize) return fail(Code::kInvalid, "the salt is shorter than 16 bytes");
  std::string key(kKeySize, '\0');
  const int status = argon2id_hash_raw(kPassphrasePasses, kPassphraseMemoryKib, 1, passphrase.reveal().data(),
                                       passphrase.reveal().size(), salt.data(), salt.size(), key.data(), key.size());
  Secret derived(std::move(key));
  if (status != ARGON2_OK)
    return fail(Code::kInternal, std::string("derive the sealing key: ") + argon2_error_message(status));
  return SealingKey(std::move(derived));
}

std::string SealingKey::seal(const Secret& plain, std::string_view context) const {
  const std::string& text = plain.reveal();
  must(text.size() <= kPlainLimit && context.size() <= kPlainLimit, "sealing more than 1 MiB");
  const std::string prefix = prefix_for(id());
  Bytes out(kNonceSize + text.size() + kTagSize);
  const std::span nonce = std::span(out).first(kNonceSize);
  const std::span body = std::span(out).subspan(kNonceSize, text.size());
  const std::span tag = std::span(out).last(kTagSize);
  fill_random(nonce);
  const Cipher cipher = make_cipher(key_.reveal(), nonce, 1);
  authenticate(cipher.get(), prefix, context);
  int size = 0;
  must(EVP_CipherUpdate(cipher.get(), native_bytes(body.data()), &size, native_bytes(text.data()),
                        static_cast<int>(text.size())) == 1 &&
           EVP_CipherFinal_ex(cipher.get(), native_bytes(tag.data()), &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1,
       "AES-256-GCM");
  return prefix + base64url(out);
}

Result<Secret> SealingKey::open(std::string_view sealed, std::string_view context) const {
  if (sealed.size() > kSealedLimit || context.size() > kPlainLimit)
    return fail(Code::kDenied, "sealed value is too large");
  const std::string prefix = prefix_for(id());
  if (!sealed.starts_with("v1.")) return fail(Code::kDenied, "sealed value of an unknown form");
  if (!sealed.starts_with(prefix))
    return fail(Code::kDenied, "value is sealed with another key than " + id() + ": use the key it was sealed with");
  const auto bytes = from_base64url(sealed.substr(prefix.size()));
  if (!bytes || bytes->size() < kNonceSize + kTagSize) return fail(Code::kDenied, "sealed value is damaged");
  const ByteView nonce = ByteView(*bytes).first(kNonceSize);
  const ByteView body = ByteView(*bytes).subspan(kNonceSize, bytes->size() - kNonceSize - kTagSize);
  Bytes tag(bytes->end() - kTagSize, bytes->end());
  const ErrorScope errors;
  const Cipher cipher = make_cipher(key_.reveal(), nonce, 0);
  authenticate(cipher.get(), prefix, context);
  // The text is looked at only once the tag has been compared; until then it is unproven, and it is wiped if it proves
  // false.
  std::string text(body.size(), '\0');
  int size = 0;
  const bool decrypted = EVP_CipherUpdate(cipher.get(), native_bytes(text.data()), &size, native_bytes(body.data()),
                                          static_cast<int>(body.size())) == 1 &&
                         EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1;
  std::array<unsigned char, kTagSize> rest;
  const bool proven = decrypted && EVP_CipherFinal_ex(cipher.get(), rest.data(), &size) == 1;
  Secret plain(std::move(text));
  if (!proven) return fail(Code::kDenied, "sealed value was altered or belongs to something else");
  return plain;
}

std::string SealingKey::id() const {
  const Secret named("portolan-sealing-key-id-v1" + key_.reveal());
  return hex(ByteView(sha256(as_bytes(named.reveal()))).first(4));
}

Secret SealingKey::text() const { return Secret(base64url(as_bytes(key_.reveal()))); }

}  // namespace portolan::crypto
