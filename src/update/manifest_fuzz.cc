// Documents come from whoever has the downloads server: whatever is taken must be fit to be used as it is, and nothing
// that nobody has signed is taken.
#include <cstdlib>

#include "update/choice.h"
#include "update/envelope.h"

namespace {

using namespace portolan;

void check_manifest(const update::Manifest& manifest) {
  for (const auto& release : manifest.releases) {
    if (!update::Version::parse(release.version)) std::abort();
    for (const auto& file : release.files)
      if (file.path.find("..") == 0 || file.path.starts_with('/') || file.size > update::kLargestFile) std::abort();
  }
  const auto installed = update::Version::parse("1.0.0");
  update::Installation installation{*installed};
  installation.rollout = update::Rollout::kIgnore;
  const auto choice = update::choose(manifest, installation);
  if (choice.verdict != update::Verdict::kUpdate) return;
  if (!choice.file || !(*update::Version::parse(choice.release->version) > *installed)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto key = update::key_text(crypto::Ed25519PrivateKey::generate().public_key());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = update::decode_manifest(text)) check_manifest(*manifest);
  if (const auto root = update::decode_root(text)) {
    if (!update::check_keys(root->root) || !update::check_keys(root->release)) std::abort();
  }
  for (const auto kind : {update::Kind::kRoot, update::Kind::kManifest}) {
    const auto envelope = update::decode_envelope(kind, text);
    if (!envelope) continue;
    if (update::check_signatures(kind, *envelope, {{key}, 1}, "the key")) std::abort();
    if (const auto manifest = update::decode_manifest(envelope->document)) check_manifest(*manifest);
    static_cast<void>(update::decode_root(envelope->document));
  }
  if (const auto version = update::Version::parse(text); version && version->text() != text) std::abort();
  static_cast<void>(update::anchor_from(text));
  return 0;
}
