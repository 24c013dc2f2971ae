// How a connection to the server is protected: TLS as the resource's settings say, and what later steps may rely on.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "net/tls.h"
#include "protocols/driver.h"

namespace portolan::protocols::postgres {

// libpq's channel_binding: whether the sign-in is tied to the server's certificate, so that nobody in between can carry
// it on to another connection.
enum class ChannelBinding { kDisable, kPrefer, kRequire };

// The modes are those of libpq's sslmode.
struct TlsChoice {
  enum class Mode { kDisable, kPrefer, kRequire, kVerifyCa, kVerifyFull };
  Mode mode = Mode::kPrefer;
  ChannelBinding channel_binding = ChannelBinding::kPrefer;
  net::TlsClientOptions options;
};
// From the settings "tls", "tls_ca", "tls_server_name", "tls_certificate" and "channel_binding"; `host` is the
// resource's. Shows the server no certificate yet: that takes show_certificate().
Result<TlsChoice> tls_choice(const Settings& settings, const std::string& host);

// The certificate of the settings, if there is one, with its key.
Result<> show_certificate(TlsChoice& choice, const Settings& settings, const Secret& key);

// What the sign-in may rely on.
struct Protection {
  bool tls = false;
  // By TLS that the settings ask for. With "prefer" whoever stands in between decides about TLS, and may be its other
  // end: that is no protection for a password in clear text.
  bool asked_for = false;
  // Of the server's certificate, for channel binding (crypto::Certificate::end_point()); empty if it has none.
  Bytes end_point = {};
};
struct Leg {
  std::unique_ptr<net::Stream> stream;
  Protection protection;
};
// Starts TLS on a fresh connection, as chosen.
net::Task<Result<Leg>> protect(std::unique_ptr<net::Stream> raw, TlsChoice choice, std::chrono::milliseconds limit);

}  // namespace portolan::protocols::postgres
