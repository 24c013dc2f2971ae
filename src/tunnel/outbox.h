// Outbox: frames on their way to the stream below, in pooled blocks; an idle link holds none. It counts bytes since the
// beginning, so that a stream can ask whether its last frame has left.
#pragma once
#include <cstdint>
#include <deque>

#include "base/bytes.h"
#include "net/buffer.h"

namespace portolan::tunnel {

class Outbox {
 public:
  void append(ByteView bytes);
  bool empty() const { return blocks_.empty(); }
  // The first bytes to go; only if there are any.
  ByteView front() const { return blocks_.front().data(); }
  void consume(std::size_t n);
  std::uint64_t appended() const { return appended_; }
  std::uint64_t flushed() const { return flushed_; }
  std::size_t pending() const { return static_cast<std::size_t>(appended_ - flushed_); }

 private:
  std::deque<net::Buffer> blocks_;
  std::uint64_t appended_ = 0;
  std::uint64_t flushed_ = 0;
};

}  // namespace portolan::tunnel
