// The parts that TLS contexts of clients and servers are made of. For net/ only.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include "crypto/openssl.h"
#include "net/tls.h"

namespace portolan::net {

using TlsContext = crypto::Owned<SSL_CTX, SSL_CTX_free>;
using AcceptPeer = std::function<Result<>(const crypto::Certificate& leaf)>;

// With everything that all of ours have in common.
TlsContext make_context(const SSL_METHOD* method, TlsVersions versions);
// What we show of ourselves. Code::kInvalid if key and certificate do not belong together.
Result<> set_identity(SSL_CTX& context, const TlsIdentity& identity);
// The authorities that a peer's chain must end in.
void set_trust(SSL_CTX& context, const std::vector<crypto::Certificate>& authorities);
// Asks `accept` about a leaf whose chain has been verified. `accept` outlives the context's handshakes.
void set_accept_peer(SSL_CTX& context, const AcceptPeer& accept);
// The list as it goes over the wire; Code::kInvalid for a name that is empty or too long.
Result<Bytes> alpn_list(const std::vector<std::string>& names);

}  // namespace portolan::net
