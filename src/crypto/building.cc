// Every extension is built as a structure and never from a text in OpenSSL's configuration language, in which a comma
// in a name makes two names.
#include "crypto/building.h"

#include <algorithm>
#include <array>

#include "base/id.h"
#include "crypto/hash.h"

namespace portolan::crypto::building {
namespace {

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

Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> key_id(const PublicKey& key) {
  // RFC 7093 §2, method 4 over the whole SubjectPublicKeyInfo, cut to 160 bits.
  const Sha256 hash = sha256(key.der());
  Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> id(must(ASN1_OCTET_STRING_new(), "ASN1_OCTET_STRING_new"));
  must(ASN1_OCTET_STRING_set(id.get(), native_bytes(hash.data()), 20) == 1, "ASN1_OCTET_STRING_set");
  return id;
}

}  // namespace

OwnedX509 begin(const PublicKey& key, WallTime not_before, WallTime not_after) {
  OwnedX509 native(must(X509_new(), "X509_new"));
  must(X509_set_version(native.get(), X509_VERSION_3) == 1, "X509_set_version");
  set_random_serial(native.get());
  set_time(native.get(), not_before, not_after);
  must(X509_set_pubkey(native.get(), key.native()) == 1, "X509_set_pubkey");
  return native;
}

Certificate finish(OwnedX509 native, const PrivateKey& signer) {
  must(X509_sign(native.get(), signer.native(), EVP_sha256()) > 0, "X509_sign");
  const Certificate built{std::shared_ptr<X509>(std::move(native))};
  auto read = Certificate::from_der(built.der());
  must(read.has_value(), "reading back a new certificate");
  return std::move(*read);
}

void add_common_name(X509_NAME* name, const std::string& text) {
  if (text.empty()) return;
  must(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, native_bytes(text.data()),
                                  static_cast<int>(text.size()), -1, 0) == 1,
       "X509_NAME_add_entry_by_NID");
}

void add(X509* native, int nid, void* value, Critical critical) {
  must(X509_add1_ext_i2d(native, nid, value, critical == Critical::kYes ? 1 : 0, X509V3_ADD_DEFAULT) == 1,
       "X509_add1_ext_i2d");
}

void add_constraints(X509* native, Role role, long path_length) {
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(
      must(BASIC_CONSTRAINTS_new(), "BASIC_CONSTRAINTS_new"));
  constraints->ca = role == Role::kRoot ? 0xff : 0;
  if (role == Role::kRoot) {
    constraints->pathlen = must(ASN1_INTEGER_new(), "ASN1_INTEGER_new");
    must(ASN1_INTEGER_set(constraints->pathlen, path_length) == 1, "ASN1_INTEGER_set");
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

void add_extended_usage(X509* native, const std::vector<std::string>& ids) {
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usage(
      must(EXTENDED_KEY_USAGE_new(), "EXTENDED_KEY_USAGE_new"));
  for (const std::string& id : ids)
    must(sk_ASN1_OBJECT_push(usage.get(), must(OBJ_txt2obj(id.c_str(), 1), "OBJ_txt2obj")) > 0, "sk_ASN1_OBJECT_push");
  add(native, NID_ext_key_usage, usage.get(), Critical::kNo);
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

}  // namespace portolan::crypto::building
