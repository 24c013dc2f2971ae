#include "crypto/certificate.h"

#include <ctime>
#include <optional>

#include <openssl/pem.h>

#include "crypto/hash.h"
#include "crypto/openssl.h"
#include "crypto/pem.h"
#include "crypto/profile.h"

namespace portolan::crypto {
namespace {

constexpr std::size_t kDerLimit = 64 * 1024;
constexpr std::size_t kChainLimit = 16;

// Both forms of time are whole seconds in UTC (RFC 5280 §4.1.2.5).
Result<WallTime> read_time(const ASN1_TIME* time) {
  const ErrorScope errors;
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1)
    return fail(Code::kInvalid, "certificate with an unreadable time");
  const std::chrono::year_month_day date{std::chrono::year(parts.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(parts.tm_hour) +
         std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec);
}

// The next certificate; none at the end.
Result<std::optional<Certificate>> next_certificate(PemReader& reader) {
  for (;;) {
    PL_TRY(const auto block, reader.next());
    if (!block) return std::nullopt;
    if (block->label != "CERTIFICATE") continue;
    PL_TRY(auto certificate, Certificate::from_der(as_bytes(block->der.reveal())));
    return certificate;
  }
}

}  // namespace

Result<Certificate> Certificate::from_der(ByteView der) {
  if (der.size() > kDerLimit)
    return fail(Code::kLimit, "certificate larger than " + std::to_string(kDerLimit) + " bytes");
  const ErrorScope errors;
  const unsigned char* at = native_bytes(der.data());
  OwnedX509 native(der.empty() ? nullptr : d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (native == nullptr || at != native_bytes(der.data()) + der.size())
    return fail(Code::kInvalid, "not a certificate");
  if ((X509_get_extension_flags(native.get()) & EXFLAG_INVALID) != 0)
    return fail(Code::kInvalid, "certificate with unreadable or repeated extensions");
  if (X509_get0_pubkey(native.get()) == nullptr)
    return fail(Code::kInvalid, "certificate with a key of an unknown kind");
  PL_CHECK(read_time(X509_get0_notBefore(native.get())));
  PL_CHECK(read_time(X509_get0_notAfter(native.get())));
  return Certificate(std::shared_ptr<X509>(std::move(native)));
}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  PemReader reader(pem);
  PL_TRY(auto certificate, next_certificate(reader));
  if (!certificate) return fail(Code::kInvalid, "no PEM block \"CERTIFICATE\"");
  return std::move(*certificate);
}

Result<std::vector<Certificate>> Certificate::all_from_pem(std::string_view pem) {
  PemReader reader(pem);
  std::vector<Certificate> chain;
  for (;;) {
    PL_TRY(auto certificate, next_certificate(reader));
    if (!certificate) break;
    if (chain.size() == kChainLimit)
      return fail(Code::kLimit, "more than " + std::to_string(kChainLimit) + " certificates");
    chain.push_back(std::move(*certificate));
  }
  if (chain.empty()) return fail(Code::kInvalid, "no PEM block \"CERTIFICATE\"");
  return chain;
}

std::string Certificate::pem() const {
  const OwnedBio out(must(BIO_new(BIO_s_mem()), "BIO_new"));
  must(PEM_write_bio_X509(out.get(), native()) == 1, "PEM_write_bio_X509");
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string to_pem(const std::vector<Certificate>& chain) {
  std::string out;
  for (const Certificate& certificate : chain) out += certificate.pem();
  return out;
}

Bytes Certificate::der() const {
  const int size = i2d_X509(native(), nullptr);
  must(size > 0, "i2d_X509");
  Bytes out(static_cast<std::size_t>(size));
  unsigned char* at = native_bytes(out.data());
  must(i2d_X509(native(), &at) == size, "i2d_X509");
  return out;
}

std::string Certificate::fingerprint() const { return hex(sha256(der())); }

Bytes Certificate::end_point() const {
  const ErrorScope errors;
  int digest = NID_undef;
  if (X509_get_signature_info(native(), &digest, nullptr, nullptr, nullptr) != 1 || digest == NID_undef) return {};
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* by = EVP_get_digestbynid(digest);
  if (by == nullptr) return {};
  Bytes out(static_cast<std::size_t>(EVP_MD_get_size(by)));
  unsigned size = 0;
  if (X509_digest(native(), by, native_bytes(out.data()), &size) != 1 || size != out.size()) return {};
  return out;
}

bool Certificate::certifies(const PrivateKey& key) const {
  const ErrorScope errors;
  return X509_check_private_key(native(), key.native()) == 1;
}

std::string Certificate::serial() const {
  const Owned<BIGNUM, BN_free> number(
      must(ASN1_INTEGER_to_BN(X509_get0_serialNumber(native()), nullptr), "ASN1_INTEGER_to_BN"));
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), native_bytes(bytes.data()));
  return (BN_is_negative(number.get()) ? "-" : "") + (bytes.empty() ? std::string("00") : hex(bytes));
}

std::vector<std::string> Certificate::uris() const {
  const ErrorScope errors;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(native(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> out;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* text = name->d.uniformResourceIdentifier;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return out;
}

Result<std::string> Certificate::identity() const {
  std::vector<std::string> all = uris();
  if (all.size() != 1)
    return fail(Code::kInvalid, "certificate with " + std::to_string(all.size()) + " URI names instead of one");
  return std::move(all.front());
}

// A time that cannot be read makes the certificate one that is never valid; from_der takes no such certificate.
WallTime Certificate::not_before() const { return read_time(X509_get0_notBefore(native())).value_or(WallTime::max()); }
WallTime Certificate::not_after() const { return read_time(X509_get0_notAfter(native())).value_or(WallTime::min()); }

WallTime Certificate::renewal() const {
  const WallTime issued = not_before() + kBackdate;
  return issued + (not_after() - issued) * 2 / 3;
}

PublicKey Certificate::public_key() const {
  const ErrorScope errors;
  return PublicKey(std::shared_ptr<EVP_PKEY>(OwnedPkey(X509_get_pubkey(native()))));
}

bool Certificate::has_profile(Profile profile) const {
  const ErrorScope errors;
  const auto flags = X509_get_extension_flags(native());
  // "Basic constraints" must be there: without them some libraries take a certificate for an authority.
  if ((flags & EXFLAG_BCONS) == 0 || (flags & (EXFLAG_CA | EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) return false;
  if (X509_get_key_usage(native()) != KU_DIGITAL_SIGNATURE) return false;
  return bears_usage(native(), profile) && has_p256_key(native());
}

}  // namespace portolan::crypto
