#include "tunnel/inbox.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace portolan::tunnel {

void Inbox::append(ByteView bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  if (first_ == blocks_.size() && packed_.size() + bytes.size() <= kPacked) {
    packed_.insert(packed_.end(), bytes.begin(), bytes.end());
    return;
  }
  if (!packed_.empty()) append_to_blocks(std::exchange(packed_, {}));
  append_to_blocks(bytes);
}

void Inbox::append_to_blocks(ByteView bytes) {
  while (!bytes.empty()) {
    if (first_ == blocks_.size() || blocks_.back().spare().empty()) blocks_.push_back(net::Buffer::take());
    const auto spare = blocks_.back().spare();
    const std::size_t n = std::min(spare.size(), bytes.size());
    std::memcpy(spare.data(), bytes.data(), n);
    blocks_.back().grow(n);
    bytes = bytes.subspan(n);
  }
}

net::Buffer Inbox::take() {
  net::Buffer taken;
  if (first_ < blocks_.size()) {
    taken = std::move(blocks_[first_++]);
    // A stream that waits keeps nothing.
    if (first_ == blocks_.size()) {
      std::vector<net::Buffer>().swap(blocks_);
      first_ = 0;
    }
  } else {
    taken = net::Buffer::copy_of(packed_);
    Bytes().swap(packed_);
  }
  size_ -= taken.size();
  return taken;
}

void Inbox::clear() {
  Bytes().swap(packed_);
  std::vector<net::Buffer>().swap(blocks_);
  first_ = 0;
  size_ = 0;
}

std::size_t Inbox::footprint() const { return packed_.capacity() + (blocks_.size() - first_) * net::kBlockSize; }

}  // namespace portolan::tunnel
