// A signed document: the exact text that was signed, and Ed25519 signatures over it, so that nothing depends on how
// JSON is printed. On disk and on the wire:
//
//   {"document": "<JSON as text>", "signatures": [{"key": "<base64url>", "signature": "<base64url>"}, …]}
//
// Signed is "portolan-" kind "-v1" NUL text: a signature of one kind of document is none of another.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe.hpp>

#include "base/result.h"
#include "crypto/ed25519.h"

namespace portolan::update {

enum class Kind : std::uint8_t { kRoot, kManifest };
std::string_view name_of(Kind kind);

inline constexpr std::size_t kRootLimit = 64 * 1024;       // bytes of an envelope with a root document
inline constexpr std::size_t kManifestLimit = 256 * 1024;  // with a manifest
std::size_t limit_of(Kind kind);

// Who may sign: public keys (32 bytes in base64url) and how many of them must.
struct KeySet {
  std::vector<std::string> keys;
  std::uint32_t threshold = 1;
  bool operator==(const KeySet&) const = default;
};
BOOST_DESCRIBE_STRUCT(KeySet, (), (keys, threshold))

std::string key_text(const crypto::Ed25519PublicKey& key);
// 1 to 16 keys, each once and in one spelling, and a threshold that they can meet.
Result<> check_keys(const KeySet& set);

struct Signature {
  std::string key;
  std::string signature;
};
BOOST_DESCRIBE_STRUCT(Signature, (), (key, signature))

struct Envelope {
  std::string document;
  std::vector<Signature> signatures;
};
BOOST_DESCRIBE_STRUCT(Envelope, (), (document, signatures))

// Strict: no other members, at most limit_of(kind) bytes and 16 signatures, no key twice.
Result<Envelope> decode_envelope(Kind kind, std::string_view text);
std::string encode_envelope(const Envelope& envelope);

// Adds the key's signature, in place of an older one of the same key.
void sign(Kind kind, Envelope& envelope, const crypto::Ed25519PrivateKey& key);

// How many of `set` have signed. A signature of one of them that does not fit is Code::kDenied (the document was
// altered); those of other keys do not count.
Result<std::size_t> count_signatures(Kind kind, const Envelope& envelope, const KeySet& set);
// Code::kDenied unless as many as its threshold have signed. `whom` is for the message: "the root keys".
Result<> check_signatures(Kind kind, const Envelope& envelope, const KeySet& set, std::string_view whom);

}  // namespace portolan::update
