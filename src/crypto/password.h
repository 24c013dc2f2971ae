// Password hashing: argon2id in the PHC text form ("$argon2id$v=19$m=…"). Slow by design (tens of ms): on a blocking
// pool only.
#pragma once
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::crypto {

Result<std::string> hash_password(const Secret& password);
// False for a wrong password and for a hash that cannot be read.
bool verify_password(std::string_view hash, const Secret& password);

}  // namespace portolan::crypto
