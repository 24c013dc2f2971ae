#include "update/envelope.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"

namespace portolan::update {
namespace {

constexpr std::size_t kMostKeys = 16;

std::string signed_text(Kind kind, std::string_view document) {
  return fmt::format("portolan-{}-v1", name_of(kind)) + '\0' + std::string(document);
}

Result<crypto::Ed25519PublicKey> key_from(const std::string& text) {
  PL_TRY(const Bytes raw, from_base64url(text));
  PL_TRY(auto key, crypto::Ed25519PublicKey::from_raw(raw));
  if (base64url(raw) != text) return fail(Code::kInvalid, "a key in another spelling");
  return key;
}

}  // namespace

std::string_view name_of(Kind kind) { return kind == Kind::kRoot ? "root" : "manifest"; }
std::size_t limit_of(Kind kind) { return kind == Kind::kRoot ? kRootLimit : kManifestLimit; }
std::string key_text(const crypto::Ed25519PublicKey& key) { return base64url(key.raw()); }

Result<> check_keys(const KeySet& set) {
  if (set.keys.empty() || set.keys.size() > kMostKeys)
    return fail(Code::kInvalid, fmt::format("{} keys; must be 1 to {}", set.keys.size(), kMostKeys));
  if (set.threshold < 1 || set.threshold > set.keys.size())
    return fail(Code::kInvalid, fmt::format("a threshold of {} with {} keys", set.threshold, set.keys.size()));
  std::set<std::string_view> seen;
  for (const std::string& key : set.keys) {
    PL_CHECK(key_from(key));
    if (!seen.insert(key).second) return fail(Code::kInvalid, "a key is there twice");
  }
  return {};
}

Result<Envelope> decode_envelope(Kind kind, std::string_view text) {
  if (text.size() > limit_of(kind))
    return fail(Code::kLimit, fmt::format("{}: larger than {} bytes", name_of(kind), limit_of(kind)));
  auto envelope = json::decode<Envelope>(text, json::Unknown::kRefuse);
  if (!envelope) return std::unexpected(std::move(envelope).error().within(name_of(kind)));
  if (envelope->signatures.size() > kMostKeys)
    return fail(Code::kLimit, fmt::format("{}: more than {} signatures", name_of(kind), kMostKeys));
  std::set<std::string_view> seen;
  for (const Signature& signature : envelope->signatures)
    if (!seen.insert(signature.key).second)
      return fail(Code::kInvalid, fmt::format("{}: two signatures of one key", name_of(kind)));
  return envelope;
}

std::string encode_envelope(const Envelope& envelope) { return json::encode(envelope) + "\n"; }

void sign(Kind kind, Envelope& envelope, const crypto::Ed25519PrivateKey& key) {
  Signature made{key_text(key.public_key()), base64url(key.sign(as_bytes(signed_text(kind, envelope.document))))};
  std::erase_if(envelope.signatures, [&](const Signature& old) { return old.key == made.key; });
  envelope.signatures.push_back(std::move(made));
}

Result<std::size_t> count_signatures(Kind kind, const Envelope& envelope, const KeySet& set) {
  const std::string text = signed_text(kind, envelope.document);
  std::set<std::string_view> good;
  for (const Signature& signature : envelope.signatures) {
    if (std::ranges::find(set.keys, signature.key) == set.keys.end()) continue;
    PL_TRY(const auto key, key_from(signature.key));
    const auto bytes = from_base64url(signature.signature);
    if (!bytes || !key.verify(as_bytes(text), *bytes))
      return fail(Code::kDenied,
                  fmt::format("the {} has a signature of the key {} that does not fit: it was altered", name_of(kind),
                              signature.key),
                  "bad_signature");
    good.insert(signature.key);
  }
  return good.size();
}

Result<> check_signatures(Kind kind, const Envelope& envelope, const KeySet& set, std::string_view whom) {
  PL_TRY(const std::size_t count, count_signatures(kind, envelope, set));
  if (count < set.threshold)
    return fail(
        Code::kDenied,
        fmt::format("the {} is signed by {} of {}, {} must have signed", name_of(kind), count, whom, set.threshold),
        "not_signed");
  return {};
}

}  // namespace portolan::update
