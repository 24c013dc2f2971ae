// Which of several servers will do, as libpq's target_session_attrs says
// (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS), and whether one that
// has let us in is such a server.
#pragma once
#include <optional>
#include <string>

#include "protocols/driver.h"
#include "protocols/postgres/sign_in.h"

namespace portolan::protocols::postgres {

enum class Wanted { kAny, kReadWrite, kReadOnly, kPrimary, kStandby, kPreferStandby };

// From the setting "target_session_attrs".
Result<Wanted> wanted_server(const Settings& settings);

// Whether the server is one that is wanted: by what it has told at sign-in (PostgreSQL 14 and later), else by a query
// of our own, which leaves the session as it was. kPreferStandby asks for a standby. The caller sets the deadline.
net::Task<Result<bool>> serves(net::Stream& server, const SignedIn& in, Wanted wanted);

// The value of a parameter that the server told in its greeting.
std::optional<std::string> told_parameter(ByteView greeting, std::string_view name);

}  // namespace portolan::protocols::postgres
