// A client on its way in: its first packets, up to the StartupMessage or CancelRequest, and TLS if it asks for it.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "net/stream.h"
#include "protocols/postgres/client_tls.h"
#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {

// The reason of the error for a client that speaks HTTP: a web page that tries ports. Nothing is answered.
inline constexpr std::string_view kHttpRequest = "http_request";

using Arrival = std::variant<Startup, BackendKey>;

// Owned by the one who serves the client; one stream.
class Entrance {
 public:
  struct Tls {
    // Whether SSLRequest is answered with 'S'. Who begins with TLS outright gets it in any case: there is no other way
    // to speak with it.
    bool offered = false;
    std::string resource = {};  // a name for the certificate
    const Clock& clock = Clock::real();
  };
  Entrance(std::unique_ptr<net::Stream> client, Tls tls);

  // Once. GSS encryption, and TLS that is not offered, are answered with 'N'. The caller sets the deadline.
  net::Task<Result<Arrival>> receive();

  // Where to answer; null after a TLS handshake that has failed, when there is nobody to speak to.
  net::Stream* stream() { return client_.get(); }
  // The stream to go on with, beginning with what the client has sent already.
  std::unique_ptr<net::Stream> take();

 private:
  net::Task<Result<>> answer_ssl_request();
  net::Task<Result<>> start_tls(TlsStart start);

  Tls tls_;
  std::unique_ptr<net::Stream> client_;
  std::optional<net::Reader> reader_;
  bool encrypted_ = false;
};

}  // namespace portolan::protocols::postgres
