#include "net/outbox.h"

#include <algorithm>
#include <cstring>

namespace portolan::net {

void Outbox::append(ByteView bytes) {
  appended_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().spare().empty()) blocks_.push_back(Buffer::take());
    const auto spare = blocks_.back().spare();
    const std::size_t n = std::min(spare.size(), bytes.size());
    std::memcpy(spare.data(), bytes.data(), n);
    blocks_.back().grow(n);
    bytes = bytes.subspan(n);
  }
}

void Outbox::consume(std::size_t n) {
  flushed_ += n;
  Buffer& block = blocks_.front();
  const bool all = n == block.size();
  block.consume(n);
  if (all) blocks_.pop_front();
}

}  // namespace portolan::net
