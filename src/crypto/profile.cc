#include "crypto/profile.h"

#include <algorithm>
#include <array>

namespace portolan::crypto {
namespace {

constexpr const char* kClientAuth = "1.3.6.1.5.5.7.3.2";  // RFC 5280 §4.2.1.12
constexpr const char* kServerAuth = "1.3.6.1.5.5.7.3.1";

}  // namespace

std::vector<std::string> usage_of(Profile profile) {
  switch (profile) {
    case Profile::kUser: return {"1.3.6.1.4.1.59999.1.1", kClientAuth};
    case Profile::kNode: return {"1.3.6.1.4.1.59999.1.2", kClientAuth, kServerAuth};
    case Profile::kServer: return {"1.3.6.1.4.1.59999.1.3", kServerAuth};
  }
  return {};
}

bool bears_usage(X509* certificate, Profile profile) {
  const ErrorScope errors;
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> usage(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  if (usage == nullptr) return false;
  std::vector<std::string> found;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usage.get()); ++i) {
    std::array<char, 64> text{};
    const int size = OBJ_obj2txt(text.data(), text.size(), sk_ASN1_OBJECT_value(usage.get(), i), 1);
    if (size <= 0 || static_cast<std::size_t>(size) >= text.size()) return false;
    found.emplace_back(text.data());
  }
  std::vector<std::string> wanted = usage_of(profile);
  std::sort(found.begin(), found.end());
  std::sort(wanted.begin(), wanted.end());
  return found == wanted;
}

bool is_root_of(X509* certificate, Profile profile) {
  const ErrorScope errors;
  const auto flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_CA) == 0 || (flags & EXFLAG_BCONS) == 0 || (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0)
    return false;
  const auto key_usage = X509_get_key_usage(certificate);
  return key_usage == (KU_KEY_CERT_SIGN | KU_CRL_SIGN) && X509_get_pathlen(certificate) == 0 &&
         bears_usage(certificate, profile);
}

}  // namespace portolan::crypto
