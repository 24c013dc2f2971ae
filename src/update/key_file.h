// The file of a private key that signs releases, of mode 0600: PKCS #8 in PEM, or the same sealed with a passphrase:
//
//   portolan-sealed-key-1
//   <salt, base64url>
//   <sealed, crypto/sealing.h>
#pragma once
#include <filesystem>
#include <optional>

#include "crypto/ed25519.h"

namespace portolan::update {

// Writes PATH and, beside it, the public key as PATH.pub. Code::kConflict if one of them is there: a key is never
// written over.
Result<> write_key(const std::filesystem::path& path, const crypto::Ed25519PrivateKey& key,
                   const std::optional<Secret>& passphrase);

// Code::kDenied if others can read the file or the passphrase is not the one; Code::kInvalid with the reason
// kNeedsPassphrase if there should be one.
inline constexpr std::string_view kNeedsPassphrase = "needs_passphrase";
Result<crypto::Ed25519PrivateKey> read_key(const std::filesystem::path& path, const std::optional<Secret>& passphrase);

}  // namespace portolan::update
