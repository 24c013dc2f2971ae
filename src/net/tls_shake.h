// The handshake of a new connection under its limit, for clients and servers. For net/ only.
#pragma once
#include <memory>

#include "net/tls_connection.h"

namespace portolan::net {

// `context` keeps alive what the handshake's callbacks refer to.
Task<Result<std::unique_ptr<TlsConnection>>> shake_hands(std::shared_ptr<const void> context,
                                                         std::unique_ptr<TlsConnection> connection,
                                                         std::chrono::milliseconds limit);

}  // namespace portolan::net
