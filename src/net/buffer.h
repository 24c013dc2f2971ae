// Pooled blocks of memory for bytes in flight. A stream that waits holds none: it takes a block when there is something
// to read and gives it back with the bytes consumed.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace portolan::net {

inline constexpr std::size_t kBlockSize = 32 * 1024;

// A block from the pool of this thread, with a window of valid bytes. Move-only; an empty Buffer holds no block.
// Filled through spare() and grow(), emptied through data() and consume(); consuming all gives the block back.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { release(); }

  static Buffer take();             // an empty block of kBlockSize
  static Buffer copy_of(ByteView);  // at most kBlockSize bytes; more is a bug

  ByteView data() const { return {block_ + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  bool has_block() const { return block_ != nullptr; }
  // What can still be written behind the data; none without a block.
  std::span<std::byte> spare() { return {block_ + end_, block_ != nullptr ? kBlockSize - end_ : 0}; }
  void grow(std::size_t n) { end_ += n; }
  void consume(std::size_t n);
  void release();

 private:
  std::byte* block_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Blocks in use on this thread, for tests of "a stream that waits holds none" and for metrics.
std::size_t blocks_in_use();

}  // namespace portolan::net
