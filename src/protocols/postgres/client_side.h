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
// The same for a session that was in use and ends: 57P01 if somebody wants it so, 08006 if its way is broken.
Bytes termination(const Error& why, std::string_view trace);

// Writes `last`, half-closes and reads on for a moment what the client still sends, so that the message is not lost to
// a reset. Takes at most `limit`; failures do not matter any more.
inline constexpr std::chrono::milliseconds kGoodbyeLimit = std::chrono::seconds(2);
net::Task<> say_goodbye(net::Stream& client, Bytes last, std::chrono::milliseconds limit = kGoodbyeLimit);

}  // namespace portolan::protocols::postgres
