// What went wrong in TLS, in words for people. For net/ only.
#pragma once
#include <openssl/ssl.h>

#include "base/result.h"

namespace portolan::net {

// From OpenSSL's error queue, which it empties: an alert of the peer, a certificate that we do not accept, a broken
// protocol.
Error explain_tls(const SSL* ssl);

}  // namespace portolan::net
