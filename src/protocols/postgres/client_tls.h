// TLS towards the client. The way from the agent to here is encrypted already; this is for clients that will not go
// without TLS of their own (sslmode=require, sslnegotiation=direct). Nobody vouches for the certificate, which this
// process makes up, so that sslmode=verify-full cannot be had here.
#pragma once
#include <memory>
#include <string>

#include "base/clock.h"
#include "net/tls.h"

namespace portolan::protocols::postgres {

enum class TlsStart {
  kAsked,   // by SSLRequest: with ALPN "postgresql" or none, as clients before PostgreSQL 17 do
  kDirect,  // without a word before it: only with ALPN "postgresql"
};

// TLS 1.2 or 1.3, with a certificate for the resource's name (if it can stand in one), "localhost" and the loopback
// addresses.
Result<std::shared_ptr<const net::TlsServer>> make_client_tls(const std::string& resource, WallTime now,
                                                              TlsStart start);

}  // namespace portolan::protocols::postgres
