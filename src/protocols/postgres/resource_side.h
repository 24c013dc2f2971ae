// The way to the server: which of the resource's hosts, dial, TLS, sign-in; and the cancel that goes there on a
// connection of its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "net/tcp.h"
#include "protocols/driver.h"
#include "protocols/postgres/sign_in.h"

namespace portolan::protocols::postgres {

struct Way {
  std::string resource;  // its name, for errors
  const Settings& settings;
  const std::vector<net::Endpoint>& hosts;
  const Secret& tls_key;
  Dial dial;                        // by the number of a host
  std::chrono::milliseconds limit;  // of TLS and of the sign-in, at each host
};
struct Reached {
  std::unique_ptr<net::Stream> stream;
  SignedIn in;
  net::Endpoint host;
  TlsChoice tls;
};
// Signs in at the first of the hosts that is such a server as the setting "target_session_attrs" asks for. As with
// libpq, the next one is tried if a host cannot be reached, is starting, or is another kind of server; a host that
// refuses us ends it. `as` but for its channel binding, which the settings decide. Errors bear Hop::kResource.
net::Task<Result<Reached>> reach(Way way, SignIn as);

// Opens a connection of its own to the resource, sends a CancelRequest and waits until the server has taken it. Owns
// all that it uses, since it may outlive the session.
net::Task<Result<>> cancel_at(net::Endpoint host, TlsChoice choice, BackendKey key);

}  // namespace portolan::protocols::postgres
