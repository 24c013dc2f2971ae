// What a pipe has accepted and its peer has not acknowledged: kept in pooled blocks that are filled to the end, so that
// many small writes pin no more than they are; while it is empty it holds none. Bytes have their place in the pipe's
// whole life as their name.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "net/buffer.h"
#include "tunnel/budget.h"

namespace portolan::tunnel {

class PipeBuffer {
 public:
  explicit PipeBuffer(std::shared_ptr<Budget> budget) : budget_(std::move(budget)) {}
  PipeBuffer(const PipeBuffer&) = delete;
  PipeBuffer& operator=(const PipeBuffer&) = delete;
  ~PipeBuffer() { budget_->give_back(size()); }

  void append(ByteView bytes);
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }
  // Bytes from `at` on, at least one and at most `most`; begin() <= at < end().
  ByteView at(std::uint64_t at, std::size_t most) const;
  // Forgets all before `upto`, which lies in [begin(), end()].
  void drop(std::uint64_t upto);

 private:
  const std::shared_ptr<Budget> budget_;
  std::deque<net::Buffer> blocks_;  // all but the last are full
  std::uint64_t origin_ = 0;        // of the first block's first byte, whether or not it is still wanted
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace portolan::tunnel
