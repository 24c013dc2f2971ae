// The usage extensions by which a certificate says what it is for (certificate.h, Profile). Internal to crypto/.
#pragma once
#include <string>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/openssl.h"

namespace portolan::crypto {

// The object identifiers of the profile's extended key usage, numeric.
std::vector<std::string> usage_of(Profile profile);
// Whether the extended key usage names exactly these, once each.
bool bears_usage(X509* certificate, Profile profile);
// Whether it is a root that may sign leaves of the profile, and no further authority.
bool is_root_of(X509* certificate, Profile profile);
// Whether its key is one that PublicKey::from_der() takes. Uses the key that the certificate has decoded already: to
// decode it again takes longer than all the rest of a check.
bool has_p256_key(X509* certificate);

}  // namespace portolan::crypto
