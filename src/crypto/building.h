// What certificates are built of (RFC 5280), for the authorities. Internal to crypto/.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "crypto/certificate.h"
#include "crypto/key.h"
#include "crypto/openssl.h"

namespace portolan::crypto::building {

enum class Critical { kNo, kYes };
enum class Role { kRoot, kLeaf };

// A version 3 certificate with a random serial, whole seconds of life, and nothing else.
OwnedX509 begin(const PublicKey& key, WallTime not_before, WallTime not_after);
// Signs, and reads the result back as a stranger would: what is cached in the structure is then what the bytes say.
Certificate finish(OwnedX509 native, const PrivateKey& signer);

// Nothing for an empty text.
void add_common_name(X509_NAME* name, const std::string& text);
void add(X509* native, int nid, void* value, Critical critical);
// `path_length`, of a root: how many authorities may stand between it and a leaf.
void add_constraints(X509* native, Role role, long path_length = 0);
void add_key_usage(X509* native, Role role);
// `ids`: numeric object identifiers.
void add_extended_usage(X509* native, const std::vector<std::string>& ids);
void add_key_ids(X509* native, const PublicKey& own, const PublicKey& issuer);

// Whether it is of letters, digits and `marks` only, and not empty.
bool is_plain(std::string_view text, std::string_view marks);
// Appends a name, which it takes.
void push(GENERAL_NAMES* names, int type, ASN1_STRING* text);
// A new IA5String.
ASN1_STRING* ascii(const std::string& text);

}  // namespace portolan::crypto::building
