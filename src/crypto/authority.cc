// Issuing and checking (RFC 5280).
#include <algorithm>

#include "crypto/building.h"
#include "crypto/certificate.h"
#include "crypto/openssl.h"
#include "crypto/profile.h"

namespace portolan::crypto {

using namespace building;

namespace {

constexpr std::chrono::years kRootLifeLimit{100};
constexpr std::size_t kNameLimit = 64;  // common names, by RFC 5280's upper bounds
constexpr std::size_t kUriLimit = 512;
constexpr std::size_t kNamesLimit = 64;

using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

Result<Names> alternative_names(const CertificateRequest& request) {
  const std::size_t count = request.uris.size() + request.dns_names.size() + request.addresses.size();
  if (count == 0) return fail(Code::kInvalid, "certificate request without a name");
  if (count > kNamesLimit)
    return fail(Code::kLimit, "certificate request with more than " + std::to_string(kNamesLimit) + " names");
  Names names(must(GENERAL_NAMES_new(), "GENERAL_NAMES_new"));
  for (const std::string& uri : request.uris) {
    if (!is_plain(uri, ":/.-_~") || uri.size() > kUriLimit)
      return fail(Code::kInvalid, "URI name " + quoted(uri) + " is not one of [0-9A-Za-z:/._~-]");
    push(names.get(), GEN_URI, ascii(uri));
  }
  for (const std::string& host : request.dns_names) {
    if (!is_plain(host, ".-*_") || host.size() > 253)
      return fail(Code::kInvalid, "DNS name " + quoted(host) + " is not well formed");
    push(names.get(), GEN_DNS, ascii(host));
  }
  for (const std::string& address : request.addresses) {
    ASN1_OCTET_STRING* bytes = address.find('\0') == std::string::npos ? a2i_IPADDRESS(address.c_str()) : nullptr;
    if (bytes == nullptr) return fail(Code::kInvalid, quoted(address) + " is not an IP address");
    push(names.get(), GEN_IPADD, bytes);
  }
  return names;
}

}  // namespace

Authority Authority::create(std::string common_name, Profile profile, WallTime now, std::chrono::seconds life) {
  must(life > std::chrono::seconds(0) && life <= kRootLifeLimit, "a root with this life");
  common_name.resize(std::min(common_name.size(), kNameLimit));
  PrivateKey key = PrivateKey::generate();
  const PublicKey own = key.public_key();
  OwnedX509 native = begin(own, now - kBackdate, now + life);
  add_common_name(X509_get_subject_name(native.get()), common_name);
  must(X509_set_issuer_name(native.get(), X509_get_subject_name(native.get())) == 1, "X509_set_issuer_name");
  add_constraints(native.get(), Role::kRoot);
  add_key_usage(native.get(), Role::kRoot);
  add_extended_usage(native.get(), usage_of(profile));
  add_key_ids(native.get(), own, own);
  Certificate root = finish(std::move(native), key);
  return {std::move(root), std::move(key), profile};
}

Result<Authority> Authority::from(Certificate certificate, PrivateKey key, Profile profile) {
  const ErrorScope errors;
  if (!is_root_of(certificate.native(), profile))
    return fail(Code::kInvalid, "certificate is not an authority of this profile");
  if (certificate.public_key() != key.public_key())
    return fail(Code::kInvalid, "key does not belong to the authority's certificate");
  return Authority(std::move(certificate), std::move(key), profile);
}

Result<Certificate> Authority::issue(const CertificateRequest& request, WallTime now) const {
  if (request.profile != profile_) return fail(Code::kInvalid, "this authority issues certificates of another profile");
  if (request.common_name.size() > kNameLimit) return fail(Code::kInvalid, "common name longer than 64 bytes");
  if (request.life <= std::chrono::seconds(0)) return fail(Code::kInvalid, "certificate request for no time at all");
  if (!PublicKey::from_der(request.key.der()))
    return fail(Code::kInvalid, "certificate request for a key that is not ECDSA P-256");
  const WallTime end = certificate_.not_after();
  if (end <= now) return fail(Code::kInvalid, "the authority's own certificate has expired: renew the authority");
  PL_TRY(const Names names, alternative_names(request));
  // Compared in seconds, so that a very long life cannot overflow.
  const WallTime not_after =
      request.life > std::chrono::floor<std::chrono::seconds>(end - now) ? end : now + request.life;
  OwnedX509 native = begin(request.key, now - kBackdate, not_after);
  add_common_name(X509_get_subject_name(native.get()), request.common_name);
  must(X509_set_issuer_name(native.get(), X509_get_subject_name(certificate_.native())) == 1, "X509_set_issuer_name");
  add_constraints(native.get(), Role::kLeaf);
  add_key_usage(native.get(), Role::kLeaf);
  add_extended_usage(native.get(), usage_of(profile_));
  add_key_ids(native.get(), request.key, certificate_.public_key());
  // RFC 5280 §4.2.1.6: without a subject the names are critical.
  add(native.get(), NID_subject_alt_name, names.get(), request.common_name.empty() ? Critical::kYes : Critical::kNo);
  return finish(std::move(native), key_);
}

bool is_issued_by(const Certificate& leaf, const Certificate& root) {
  const ErrorScope errors;
  return X509_check_issued(root.native(), leaf.native()) == X509_V_OK &&
         X509_verify(leaf.native(), root.public_key().native()) == 1;
}

Result<> verify_leaf(const Certificate& leaf, const Certificate& root, Profile profile, WallTime now) {
  const ErrorScope errors;
  const auto denied = [](std::string why) { return fail(Code::kDenied, "certificate refused: " + std::move(why)); };
  if (!is_root_of(root.native(), profile)) return denied("its authority is none of this profile");
  if (!leaf.has_profile(profile)) return denied("it is not a leaf of this profile");
  if (X509_check_issued(root.native(), leaf.native()) != X509_V_OK) return denied("it names another authority");
  if (!has_p256_key(root.native()) || X509_get_signature_nid(leaf.native()) != NID_ecdsa_with_SHA256 ||
      X509_verify(leaf.native(), X509_get0_pubkey(root.native())) != 1)
    return denied("its signature is not the authority's");
  if (now < leaf.not_before() || now < root.not_before()) return denied("it is not valid yet: check the clocks");
  if (now >= leaf.not_after() || now >= root.not_after())
    return denied("it expired at " + to_rfc3339(leaf.not_after()));
  return {};
}

}  // namespace portolan::crypto
