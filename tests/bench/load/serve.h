// The server of portolan_load: what the first byte of a connection asks for (sockets.h), on one port.
#pragma once

namespace portolan::load {

// Prints {"port": N} and serves until standard input ends.
void serve();

}  // namespace portolan::load
