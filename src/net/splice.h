// splice: the copying loop for two plain sockets of which nobody here has to see a byte. The kernel moves them through
// a pair of pipes (splice(2)), so that a gateway spends nothing on bytes that it could not read anyway.
#pragma once
#include <memory>

#include "net/join.h"
#include "net/tcp.h"

namespace portolan::net {

// Copies both ways until both have ended, one has failed, or `stop` is stopped. An end becomes a half-close of the
// other side, once all before it has been passed on. At most one pipe (64 KiB) of each direction waits here. Both
// streams come from a listener or dial_tcp(); what was read of them before is the caller's. Neither is destroyed.
// Cancelling the awaiting task ends the copying. Code::kLimit: out of descriptors (it takes four).
Task<Joined> splice(TcpStream& a, TcpStream& b, StopSignal* stop);

}  // namespace portolan::net
