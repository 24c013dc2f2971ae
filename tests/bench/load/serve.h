// The server of portolan_load: what the first byte of a connection asks for (sockets.h), on one port.
#pragma once
#include "sockets.h"

namespace portolan::load {

// Prints {"port": N} and serves there until standard input ends.
void serve(const Address& at);

}  // namespace portolan::load
