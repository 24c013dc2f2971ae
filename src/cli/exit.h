// How a command ends: its exit status and the one line of standard error that says why (docs/reference, "Exit status").
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace portolan::cli {

enum class Exit : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotLoggedIn = 3,
  kDenied = 4,
  kUnreachable = 5,
  kRestart = 75,  // whoever supervises it is to start it again; EX_TEMPFAIL of sysexits.h
};

Exit exit_for(const Error& error);

// The command line or a setting is wrong.
std::unexpected<Error> wrong_usage(std::string message);

// A service has stopped for the restart that was asked for.
std::unexpected<Error> restart_due();

// One line without control characters, whatever the error quotes.
std::string one_line(std::string_view text);
// What to do about an error that says nothing of it itself: added to the message.
Error with_remedy(Error error);
// The message, and with `verbose` also where the error arose, its stable code and whether a retry can help.
enum class Detail { kShort, kVerbose };
std::string error_line(const Error& error, Detail detail);

}  // namespace portolan::cli
