#include "net/buffer.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "net/block_pool.h"

namespace portolan::net {

namespace {

// Free blocks kept for reuse, per size; what a burst took beyond that goes back to the allocator.
constexpr std::size_t kKeptBytes = 16 * 1024 * 1024;

// The sanitizer finds a use of returned bytes only if blocks really are returned.
#if defined(__has_feature) && __has_feature(address_sanitizer)
constexpr bool kReuse = false;
#else
constexpr bool kReuse = true;
#endif

class FreeBlocks {
 public:
  explicit FreeBlocks(std::size_t size) : size_(size) {}
  FreeBlocks(const FreeBlocks&) = delete;
  FreeBlocks& operator=(const FreeBlocks&) = delete;
  ~FreeBlocks() {
    for (auto* block : free_) delete[] block;
  }

  std::byte* take() {
    ++in_use_;
    if (free_.empty()) return new std::byte[size_];
    auto* block = free_.back();
    free_.pop_back();
    return block;
  }

  void give_back(std::byte* block) {
    --in_use_;
    if (kReuse && free_.size() < kKeptBytes / size_) {
      free_.push_back(block);
    } else {
      delete[] block;
    }
  }

  std::size_t in_use() const { return in_use_; }

 private:
  std::size_t size_;
  std::vector<std::byte*> free_;
  std::size_t in_use_ = 0;
};

struct Pool {
  FreeBlocks small{kBlockSize};
  FreeBlocks wide{kWideBlockSize};
};

// One for each thread, as streams never change theirs: no lock, and a block comes back to the cache that it left.
Pool& pool() {
  thread_local Pool of_this_thread;
  return of_this_thread;
}

}  // namespace

std::byte* take_wide_block() { return pool().wide.take(); }
void return_wide_block(std::byte* block) { pool().wide.give_back(block); }

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release();
    block_ = std::exchange(other.block_, nullptr);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
  }
  return *this;
}

Buffer Buffer::take() {
  Buffer buffer;
  buffer.block_ = pool().small.take();
  return buffer;
}

Buffer Buffer::copy_of(ByteView bytes) {
  assert(bytes.size() <= kBlockSize);
  Buffer buffer;
  if (bytes.empty()) return buffer;
  buffer = take();
  std::ranges::copy(bytes, buffer.block_);
  buffer.grow(bytes.size());
  return buffer;
}

void Buffer::consume(std::size_t n) {
  assert(n <= size());
  begin_ += n;
  if (begin_ == end_) release();
}

void Buffer::release() {
  if (block_ == nullptr) return;
  pool().small.give_back(std::exchange(block_, nullptr));
  begin_ = end_ = 0;
}

std::size_t blocks_in_use() { return pool().small.in_use() + pool().wide.in_use(); }

}  // namespace portolan::net
