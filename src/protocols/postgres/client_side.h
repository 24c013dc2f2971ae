// All that Portolan itself says to a client: refusals, and why a session ends.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "net/stream.h"
#include "protocols/postgres/messages.h"
#include "protocols/session.h"

namespace portolan::protocols::postgres {

// What to tell a client of a newer minor version, or with protocol options that we do not know; empty: nothing.
Bytes version_answer(const Startup& startup);

// The ErrorResponse for an error: SQLSTATE, message, hop, stable code, whether a retry can help, trace.
Bytes refusal(const Error& why, std::string_view trace);
// The same for a session that was in use and must end.
Bytes termination(const Error& why, std::string_view trace);

// Writes `last`, half-closes and reads on for a moment what the client still sends, so that the message is not lost to
// a reset. Takes at most a few seconds; failures do not matter any more.
net::Task<> say_goodbye(net::Stream& client, Bytes last);

}  // namespace portolan::protocols::postgres
