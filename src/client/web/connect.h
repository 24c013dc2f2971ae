// What follows a CONNECT that the web proxy has granted: TLS by the person's own certificate authority, so that the
// request within it can be read and sent on as any other.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "client/web/local_ca.h"
#include "net/stream.h"
#include "net/task.h"

namespace portolan::client::web {

// Takes the tunnel, whose 200 has been sent and of which nothing has been read behind the CONNECT's head (what has is
// put back with net::prepend), and is a TLS server of `host` on it: TLS 1.2 and 1.3, HTTP/1.1 by ALPN or without any.
// `host` is that of the CONNECT, in lower case. A client that asks for another name (SNI), or
// for h2 alone, is refused before it is shown anything.
//
// `ca` is used within the call alone, before the task runs. Code::kDenied for a host that it is not for, Code::kInvalid
// if it has ended, Code::kTimeout after `limit`; what the browser says of a certificate that it does not trust is in
// the error, and the remedy.
net::Task<Result<std::unique_ptr<net::Stream>>> accept_tls(std::unique_ptr<net::Stream> browser, std::string host,
                                                           const LocalCa& ca, std::chrono::milliseconds limit);

}  // namespace portolan::client::web
