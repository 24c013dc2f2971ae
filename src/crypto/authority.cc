// Issuing and checking (RFC 5280). Every extension is built as a structure and never from a text in OpenSSL's
// configuration language, in which a comma in a name makes two names.
#include <algorithm>
#include <array>

#include "base/id.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/profile.h"

namespace portolan::crypto {
namespace {

constexpr std::chrono::years kRootLifeLimit{100};
constexpr std::size_t kNameLimit = 64;  // common names, by RFC 5280's upper bounds
constexpr std::size_t kUriLimit = 512;
constexpr std::size_t kNamesLimit = 64;

void set_time(X509* native, WallTime not_before, WallTime not_after) {
  const auto seconds = [](WallTime time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  };
  must(ASN1_TIME_set(X509_getm_notBefore(native), seconds(not_before)), "ASN1_TIME_set");
  must(ASN1_TIME_set(X509_getm_notAfter(native), seconds(not_after)), "ASN1_TIME_set");
}

void set_random_serial(X509* native) {
  std::array<std::byte, 16> random;
  fill_random(random);
  const Owned<BIGNUM, BN_free> number(
      must(BN_bin2bn(native_bytes(random.data()), random.size(), nullptr), "BN_bin2bn"));
  must(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(native)), "BN_to_ASN1_INTEGER");
}

void add_common_name(X509_NAME* name, const std::string& text) {
  if (text.empty()) return;
  must(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, native_bytes(text.data()),
                                  static_cast<int>(text.size()), -1, 0) == 1,
       "X509_NAME_add_entry_by_NID");
}

enum class Critical { kNo, kYes };
enum class Role { kRoot, kLeaf };

void add(X509* native, int nid, void* value, Critical critical) {
  must(X509_add1_ext_i2d(native, nid, value, critical == Critical::kYes ? 1 : 0, X509V3_ADD_DEFAULT) == 1,
       "X509_add1_ext_i2d");
}

void add_constraints(X509* native, Role role) {
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(
      must(BASIC_CONSTRAINTS_new(), "BASIC_CONSTRAINTS_new"));
  constraints->ca = role == Role::kRoot ? 0xff : 0;
  if (role == Role::kRoot) {
    constraints->pathlen = must(ASN1_INTEGER_new(), "ASN1_INTEGER_new");
    must(ASN1_INTEGER_set(constraints->pathlen, 0) == 1, "ASN1_INTEGER_set");
  }
  add(native, NID_basic_constraints, constraints.get(), Critical::kYes);
}

void add_key_usage(X509* native, Role role) {
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> bits(must(ASN1_BIT_STRING_new(), "ASN1_BIT_STRING_new"));
  // RFC 5280 §4.2.1.3: digitalSignature 0, keyCertSign 5, cRLSign 6.
  for (const int bit : role == Role::kRoot ? std::vector<int>{5, 6} : std::vector<int>{0})
    must(ASN1_BIT_STRING_set_bit(bits.get(), bit, 1) == 1, "ASN1_BIT_STRING_set_bit");
  add(native, NID_key_usage, bits.get(), Critical::kYes);
}

void add_extended_usage(X509* native, Profile profile) {
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usage(
      must(EXTENDED_KEY_USAGE_new(), "EXTENDED_KEY_USAGE_new"));
  for (const std::string& id : usage_of(profile))
    must(sk_ASN1_OBJECT_push(usage.get(), must(OBJ_txt2obj(id.c_str(), 1), "OBJ_txt2obj")) > 0, "sk_ASN1_OBJECT_push");
  add(native, NID_ext_key_usage, usage.get(), Critical::kNo);
}

Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> key_id(const PublicKey& key) {
  // RFC 7093 §2, method 4 over the whole SubjectPublicKeyInfo, cut to 160 bits.
  const Sha256 hash = sha256(key.der());
  Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> id(must(ASN1_OCTET_STRING_new(), "ASN1_OCTET_STRING_new"));
  must(ASN1_OCTET_STRING_set(id.get(), native_bytes(hash.data()), 20) == 1, "ASN1_OCTET_STRING_set");
  return id;
}

void add_key_ids(X509* native, const PublicKey& own, const PublicKey& issuer) {
  add(native, NID_subject_key_identifier, key_id(own).get(), Critical::kNo);
  const Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> authority(must(AUTHORITY_KEYID_new(), "AUTHORITY_KEYID_new"));
  authority->keyid = key_id(issuer).release();
  add(native, NID_authority_key_identifier, authority.get(), Critical::kNo);
}

bool is_plain(std::string_view text, std::string_view marks) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           marks.find(c) != std::string_view::npos;
  });
}

using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

void push(GENERAL_NAMES* names, int type, ASN1_STRING* text) {
  GENERAL_NAME* name = must(GENERAL_NAME_new(), "GENERAL_NAME_new");
  GENERAL_NAME_set0_value(name, type, text);
  must(sk_GENERAL_NAME_push(names, name) > 0, "sk_GENERAL_NAME_push");
}

ASN1_STRING* ascii(const std::string& text) {
  ASN1_STRING* out = must(ASN1_IA5STRING_new(), "ASN1_IA5STRING_new");
  must(ASN1_STRING_set(out, text.data(), static_cast<int>(text.size())) == 1, "ASN1_STRING_set");
  return out;
}

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

// What root and leaf have in common.
OwnedX509 begin(const PublicKey& key, WallTime not_before, WallTime not_after) {
  OwnedX509 native(must(X509_new(), "X509_new"));
  must(X509_set_version(native.get(), X509_VERSION_3) == 1, "X509_set_version");
  set_random_serial(native.get());
  set_time(native.get(), not_before, not_after);
  must(X509_set_pubkey(native.get(), key.native()) == 1, "X509_set_pubkey");
  return native;
}

// Signs, and reads the result back as a stranger would: what is cached in the structure is then what the bytes say.
Certificate finish(OwnedX509 native, const PrivateKey& signer) {
  must(X509_sign(native.get(), signer.native(), EVP_sha256()) > 0, "X509_sign");
  const Certificate built{std::shared_ptr<X509>(std::move(native))};
  auto read = Certificate::from_der(built.der());
  must(read.has_value(), "reading back a new certificate");
  return std::move(*read);
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
  add_extended_usage(native.get(), profile);
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
  add_extended_usage(native.get(), profile_);
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
