// The sign-in at the server: start-up packet, authentication with the leased credential, up to ReadyForQuery. The
// server is not trusted: it is held to the order of the protocol, to sizes and to a total.
#pragma once
#include <string>

#include "protocols/derived_keys.h"
#include "protocols/postgres/messages.h"
#include "protocols/postgres/tls_choice.h"

namespace portolan::protocols::postgres {

struct SignIn {
  std::string user;
  Secret password;
  std::string database = {};  // empty: the server takes the user's name
  Parameters parameters = {};
  ChannelBinding channel_binding = ChannelBinding::kPrefer;
  // Keeps the salted password from one sign-in to the next; null: it is worked out each time. Outlives the sign-in.
  DerivedKeys* salted = nullptr;
};
struct SignedIn {
  Bytes greeting;  // for the client: ParameterStatus and NoticeResponse messages as they came
  BackendKey key;  // the server's own; zeros if it gave none
  Bytes ready;     // its ReadyForQuery
  Bytes rest;      // what it sent after that
};
// On an open leg; the caller sets the deadline. An ErrorResponse becomes an Error with reason "sqlstate_…".
net::Task<Result<SignedIn>> sign_in(net::Stream& server, const Protection& protection, const SignIn& as);

// What the server says as an Error: reason "sqlstate_…", the text cut and without control characters.
Error server_error(const ServerError& said);

}  // namespace portolan::protocols::postgres
