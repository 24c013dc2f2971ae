// What of a client's start-up packet goes on to the server: which database, which parameters, and what of the person is
// told, all as the resource's settings say. Pure.
#pragma once
#include <string>

#include "protocols/driver.h"
#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {

// Whether the settings "database", "databases", "replication", "application_name" and "identity_variable" make sense.
Result<> check_forwarding(const Settings& settings);

// The database that is opened for one who names none; empty: the server decides.
std::string default_database(const Settings& settings);
// The database to open, by the server's name for it: the resource's, where it pins one; what the client's wish is
// mapped to, where it maps them; else the client's wish, or none. Code::kDenied for one that is not among them, or for
// replication where the resource does not allow it.
Result<std::string> choose_database(const Startup& startup, const Granted& granted);
// What goes on to the server beside user and database.
Result<Parameters> forwarded_parameters(const Startup& startup, const Granted& granted);

}  // namespace portolan::protocols::postgres
