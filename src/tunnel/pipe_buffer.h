// What a pipe has accepted and its peer has not acknowledged: kept in pooled blocks that are filled to the end, so that
// many small writes pin no more than they are; while it is empty it holds none. Bytes have their place in the pipe's
// whole life as their name.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "net/buffer.h"

namespace portolan::tunnel {

// What several pipes may hold together; shared by them: all of a process, or those of one account, whose budget is a
// part of the process'. One thread.
struct PipeBudget {
  std::size_t limit = std::size_t{256} * 1024 * 1024;
  std::size_t used = 0;
  std::shared_ptr<PipeBudget> whole = nullptr;  // that this one is a part of

  void take(std::size_t n) {
    used += n;
    if (whole) whole->take(n);
  }
  void give_back(std::size_t n) {
    used -= n;
    if (whole) whole->give_back(n);
  }
  std::size_t left() const {
    const std::size_t here = limit - std::min(limit, used);
    return whole ? std::min(here, whole->left()) : here;
  }
};

class PipeBuffer {
 public:
  explicit PipeBuffer(std::shared_ptr<PipeBudget> budget) : budget_(std::move(budget)) {}
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
  const std::shared_ptr<PipeBudget> budget_;
  std::deque<net::Buffer> blocks_;  // all but the last are full
  std::uint64_t origin_ = 0;        // of the first block's first byte, whether or not it is still wanted
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace portolan::tunnel
