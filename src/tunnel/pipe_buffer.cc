#include "tunnel/pipe_buffer.h"

#include <algorithm>
#include <cstring>

namespace portolan::tunnel {

void PipeBuffer::append(ByteView bytes) {
  budget_->take(bytes.size());
  end_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().spare().empty()) blocks_.push_back(net::Buffer::take());
    const auto spare = blocks_.back().spare();
    const std::size_t n = std::min(spare.size(), bytes.size());
    std::memcpy(spare.data(), bytes.data(), n);
    blocks_.back().grow(n);
    bytes = bytes.subspan(n);
  }
}

ByteView PipeBuffer::at(std::uint64_t at, std::size_t most) const {
  const auto offset = static_cast<std::size_t>(at - origin_);
  const ByteView rest = blocks_[offset / net::kBlockSize].data().subspan(offset % net::kBlockSize);
  return rest.first(std::min(rest.size(), most));
}

void PipeBuffer::drop(std::uint64_t upto) {
  budget_->give_back(static_cast<std::size_t>(upto - begin_));
  begin_ = upto;
  if (begin_ == end_) {
    blocks_.clear();
    origin_ = end_;
  }
  while (!blocks_.empty() && begin_ - origin_ >= net::kBlockSize) {
    blocks_.pop_front();
    origin_ += net::kBlockSize;
  }
}

}  // namespace portolan::tunnel
