// Outbox: bytes on their way to a stream below, in pooled blocks; while it is empty it holds none. It counts bytes
// since the beginning, so that one can ask whether what was appended at some time has left.
#pragma once
#include <cstdint>
#include <deque>

#include "base/bytes.h"
#include "net/buffer.h"

namespace portolan::net {

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
  std::deque<Buffer> blocks_;
  std::uint64_t appended_ = 0;
  std::uint64_t flushed_ = 0;
};

}  // namespace portolan::net
