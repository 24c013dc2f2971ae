// Inbox: what a stream of a mux has received and its reader has not taken.
//
// A peer decides how large its DATA frames are, and a pooled block is 32 KiB: a block per frame would let 4,096 frames
// of one byte pin 128 MiB. So little is kept packed, in memory of its own size, and what is more goes into blocks that
// are filled to the end before another is taken. Memory stays below four times the bytes held, for any sizes of frames.
#pragma once
#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "net/buffer.h"

namespace portolan::tunnel {

class Inbox {
 public:
  static constexpr std::size_t kPacked = 8 * 1024;  // up to here no block is used

  void append(ByteView bytes);
  // The next bytes, at most a block; only if there are any.
  net::Buffer take();
  void clear();
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Memory in use, for tests of the bound.
  std::size_t footprint() const;

 private:
  void append_to_blocks(ByteView bytes);

  Bytes packed_;                     // in use only while there are no blocks
  std::vector<net::Buffer> blocks_;  // from first_ on; all but the last are full
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace portolan::tunnel
