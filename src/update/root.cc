#include "update/root.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "update/builtin_keys.h"

namespace portolan::update {
namespace {

Result<Root> decoded(const Envelope& envelope) {
  auto root = decode_root(envelope.document);
  if (!root) return std::unexpected(std::move(root).error().within("root"));
  return root;
}

Result<> check_own(const Envelope& envelope, const Root& root) {
  return check_signatures(Kind::kRoot, envelope, root.root, "its own root keys");
}

}  // namespace

Result<Root> decode_root(std::string_view document) {
  PL_TRY(auto root, json::decode<Root>(document, json::Unknown::kRefuse));
  if (root.format != kRootFormat)
    return fail(Code::kProtocol, "a format that this release does not know: " + quoted(root.format), "unknown_format");
  if (root.version < 1 || root.version > kMostRoots) return fail(Code::kInvalid, "version is out of range");
  if (auto keys = check_keys(root.root); !keys) return std::unexpected(std::move(keys).error().within("root"));
  if (auto keys = check_keys(root.release); !keys) return std::unexpected(std::move(keys).error().within("release"));
  for (const std::string& key : root.release.keys)
    for (const std::string& other : root.root.keys)
      if (key == other) return fail(Code::kInvalid, "one key is a root key and a release key");
  return root;
}

Result<KeySet> anchor_from(std::string_view text) {
  constexpr std::string_view kEnd = "-----END PUBLIC KEY-----";
  constexpr std::string_view kThreshold = "# threshold: ";
  KeySet out;
  if (const auto at = text.find(kThreshold); at != std::string_view::npos) {
    const char* begin = text.data() + at + kThreshold.size();
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), out.threshold);
    if (error != std::errc()) return fail(Code::kInvalid, "no number behind \"# threshold:\"");
  }
  for (auto end = text.find(kEnd); end != std::string_view::npos; end = text.find(kEnd)) {
    PL_TRY(const auto key, crypto::Ed25519PublicKey::from_pem(text.substr(0, end + kEnd.size())));
    out.keys.push_back(key_text(key));
    text.remove_prefix(end + kEnd.size());
  }
  if (out.keys.empty()) return fail(Code::kInvalid, "no Ed25519 public key in PEM");
  PL_CHECK(check_keys(out));
  return out;
}

Result<KeySet> builtin_anchor() {
  if (builtin_root_keys().empty())
    return fail(Code::kNotFound, "this program was built without a release root key; give --root-key FILE",
                "no_root_key");
  return anchor_from(builtin_root_keys());
}

Result<Root> first_root(const KeySet& anchor, std::string_view envelope) {
  PL_TRY(const Envelope opened, decode_envelope(Kind::kRoot, envelope));
  PL_CHECK(check_signatures(Kind::kRoot, opened, anchor, "the root keys that are known here"));
  PL_TRY(auto root, decoded(opened));
  PL_CHECK(check_own(opened, root));
  return root;
}

Result<Root> next_root(const Root& current, std::string_view envelope) {
  PL_TRY(const Envelope opened, decode_envelope(Kind::kRoot, envelope));
  PL_CHECK(check_signatures(Kind::kRoot, opened, current.root, "the root keys of the document before"));
  PL_TRY(auto root, decoded(opened));
  PL_CHECK(check_own(opened, root));
  if (root.version != current.version + 1)
    return fail(Code::kDenied, fmt::format("root document {} where {} was due", root.version, current.version + 1),
                "wrong_version");
  return root;
}

Result<> check_time(const Root& root, WallTime now) {
  if (now < root.expires) return {};
  return fail(Code::kDenied,
              fmt::format("the root document {} has expired at {}: whoever makes releases must sign a new one, or this "
                          "machine's clock is wrong",
                          root.version, to_rfc3339(root.expires)),
              "expired");
}

}  // namespace portolan::update
