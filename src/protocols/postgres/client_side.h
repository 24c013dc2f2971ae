// The handshake towards the user, and all that Portolan itself says to a client: refusals, and why a session ends.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "net/stream.h"
#include "protocols/postgres/messages.h"
#include "protocols/session.h"

namespace portolan::protocols::postgres {

// The reason of the error for a client that speaks HTTP: a web page that tries ports. Nothing is answered.
inline constexpr std::string_view kHttpRequest = "http_request";

using Arrival = std::variant<Startup, BackendKey>;

// Reads up to the StartupMessage or CancelRequest. Encryption, which the path to here has already, is answered with
// 'N'. The caller sets the deadline.
net::Task<Result<Arrival>> receive_start(net::Stream& client, net::Reader& reader);

// What to tell a client of a newer minor version, or with protocol options that we do not know; empty: nothing.
Bytes version_answer(const Startup& startup);
// The database to open: the resource's, where it pins one; else the client's wish, or none. A pinned one meets a client
// that wishes another: refused.
Result<std::string> choose_database(const Startup& startup, const Granted& granted);
// What goes on to the server beside user and database; a wish for replication is refused.
Result<Parameters> forwarded_parameters(const Startup& startup);

// The ErrorResponse for an error: SQLSTATE, message, hop, stable code, whether a retry can help, trace.
Bytes refusal(const Error& why, std::string_view trace);
// The same for a session that was in use and must end.
Bytes termination(const Error& why, std::string_view trace);

// Writes `last`, half-closes and reads on for a moment what the client still sends, so that the message is not lost to
// a reset. Takes at most a few seconds; failures do not matter any more.
net::Task<> say_goodbye(net::Stream& client, Bytes last);

}  // namespace portolan::protocols::postgres
