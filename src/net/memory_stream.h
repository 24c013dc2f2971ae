// Two streams joined in memory, for tests of everything above the sockets, and to give a part of this process a stream
// of another.
#pragma once
#include <cstddef>
#include <memory>
#include <utility>

#include "net/stream.h"

namespace portolan::net {

using StreamPair = std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>;

// Each direction holds at most `capacity` bytes, then its writer waits. Destroying one end: the other reads what is
// there, then gets Code::kIo ("peer closed") unless the destroyed one had half-closed; writes fail.
StreamPair memory_pair(const Executor& executor, std::size_t capacity = 64 * 1024);

}  // namespace portolan::net
