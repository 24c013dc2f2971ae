// Name look-up off the loop. For net/ only.
#pragma once
#include <vector>

#include "net/socket_address.h"

namespace portolan::net {

// The addresses to try, in order; an address in `to` needs no look-up. Code::kNotFound if there is no such name.
Task<Result<std::vector<SocketAddress>>> resolve(Endpoint to);

}  // namespace portolan::net
