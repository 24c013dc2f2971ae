// The login to the resource: TLS as its settings say, authentication with the leased credential, up to ReadyForQuery.
// The server is not trusted: it is held to the order of the protocol, to sizes and to a total.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "net/tls.h"
#include "protocols/driver.h"
#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {

// How a connection to the resource is protected; the modes are those of libpq's sslmode.
struct TlsChoice {
  enum class Mode { kDisable, kPrefer, kRequire, kVerifyCa, kVerifyFull };
  Mode mode = Mode::kPrefer;
  net::TlsClientOptions options;
};
// From the settings "tls", "tls_ca" and "tls_server_name"; `host` is the resource's.
Result<TlsChoice> tls_choice(const Settings& settings, const std::string& host);

// Starts TLS on a fresh connection, as chosen.
struct Leg {
  std::unique_ptr<net::Stream> stream;
  // By TLS that the settings ask for. With "prefer" whoever stands in between decides about TLS, and may be its other
  // end: that is no protection for a password in clear text.
  bool encrypted = false;
};
net::Task<Result<Leg>> protect(std::unique_ptr<net::Stream> raw, TlsChoice choice, std::chrono::milliseconds limit);

struct SignIn {
  std::string user;
  Secret password;
  std::string database;  // empty: the server takes the user's name
  Parameters parameters;
};
struct SignedIn {
  Bytes greeting;  // for the client: ParameterStatus and NoticeResponse messages as they came
  BackendKey key;  // the server's own; zeros if it gave none
  Bytes ready;     // its ReadyForQuery
  Bytes rest;      // what it sent after that
};
// On an open leg; the caller sets the deadline. An ErrorResponse becomes an Error with reason "sqlstate_…".
net::Task<Result<SignedIn>> sign_in(net::Stream& server, bool encrypted, const SignIn& as);

// What the server says as an Error: reason "sqlstate_…", the text cut and without control characters.
Error server_error(const ServerError& said);

// Opens a connection of its own to the resource, sends a CancelRequest and waits until the server has taken it. Owns
// all that it uses, since it may outlive the session.
net::Task<Result<>> cancel_at(std::string host, std::uint16_t port, TlsChoice choice, BackendKey key);

}  // namespace portolan::protocols::postgres
