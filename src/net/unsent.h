// How much of what was written to a socket may wait in the kernel before it is sent.
#pragma once
#include <cstddef>

#include "net/stream.h"

namespace portolan::net {

// Twice what makes its writer be woken again.
inline constexpr std::size_t kUnsentLimit = 128 * 1024;

// Where many streams share a socket: beyond kUnsentLimit it takes no more (TCP_NOTSENT_LOWAT, tcp(7)), so that what is
// urgent waits for little. What is under way does not count, so a long path stays full. Does nothing to a stream that
// is not a TCP socket.
void limit_unsent(Stream& stream);

}  // namespace portolan::net
