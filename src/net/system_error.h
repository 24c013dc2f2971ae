// What the operating system said, in our words. For net/ only.
#pragma once
#include <string>

#include "base/result.h"

namespace portolan::net {

// "connection refused".
std::string errno_text(int error);
// An I/O error on a connection that was there.
std::unexpected<Error> io_error(std::string_view what, int error);
// A connection that could not be made, or a place that could not be listened at.
std::unexpected<Error> connect_error(int error);

}  // namespace portolan::net
