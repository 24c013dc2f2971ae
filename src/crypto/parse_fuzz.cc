// Everything of crypto/ that reads foreign text or bytes. Whatever is taken must come out again as it went in.
#include <algorithm>
#include <cstdlib>

#include "crypto/certificate.h"
#include "crypto/identity.h"
#include "crypto/openssl.h"
#include "crypto/sealing.h"

namespace {

using namespace portolan;
using namespace portolan::crypto;

void expect(bool holds) {
  if (!holds) std::abort();
}

void try_certificate(const Certificate& certificate) {
  expect(Certificate::from_der(certificate.der()).has_value());
  expect(certificate.not_before() != WallTime::max());
  for (const Profile profile : {Profile::kUser, Profile::kNode, Profile::kServer}) {
    if (certificate.has_profile(profile))
      expect(!verify_leaf(certificate, certificate, profile, certificate.not_before()));
  }
  static_cast<void>(certificate.identity());
  static_cast<void>(certificate.serial());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes = std::as_bytes(std::span(data, size));
  const std::string_view text = as_text(bytes);
  if (const auto certificate = Certificate::from_der(bytes)) try_certificate(*certificate);
  if (const auto chain = Certificate::all_from_pem(text))
    for (const Certificate& certificate : *chain) try_certificate(certificate);
  if (const auto key = PublicKey::from_der(bytes)) expect(std::ranges::equal(key->der(), bytes));
  if (const auto key = PublicKey::from_pem(text)) expect(PublicKey::from_der(key->der()).has_value());
  if (const auto key = PrivateKey::from_pem(Secret(std::string(text)))) expect(!key->pem().empty());
  if (const auto user = parse_user_identity(text)) expect(to_uri(*user) == text);
  if (const auto node = parse_node_identity(text)) expect(to_uri(*node) == text);
  if (const auto cluster = parse_cluster_identity(text)) expect(to_uri(*cluster) == text);
  if (const auto key = SealingKey::from_text(Secret(std::string(text)))) {
    expect(key->text().reveal() == text);
    expect(!key->open(text, "context"));
  }
  expect(ERR_peek_error() == 0);
  return 0;
}
