// Walks a stream of messages however it is cut into pieces, and keeps nothing but the five bytes of a header.
#pragma once
#include <algorithm>
#include <array>

#include "protocols/postgres/messages.h"

namespace portolan::protocols::postgres {

// The handler has: Result<> begin(Header), void body(ByteView part) any number of times, Result<> end().
class Framer {
 public:
  template <class Handler>
  Result<> feed(ByteView bytes, Handler& handler) {
    while (!bytes.empty()) {
      if (header_size_ < kHeaderSize) {
        const std::size_t n = std::min(kHeaderSize - header_size_, bytes.size());
        std::copy_n(bytes.begin(), n, header_.begin() + static_cast<std::ptrdiff_t>(header_size_));
        header_size_ += n;
        bytes = bytes.subspan(n);
        if (header_size_ < kHeaderSize) return {};
        PL_TRY(const Header header, parse_header(header_));
        left_ = header.body;
        PL_CHECK(handler.begin(header));
      }
      const std::size_t n = std::min<std::size_t>(left_, bytes.size());
      if (n > 0) handler.body(bytes.first(n));
      left_ -= static_cast<std::uint32_t>(n);
      bytes = bytes.subspan(n);
      if (left_ == 0) {
        header_size_ = 0;
        PL_CHECK(handler.end());
      }
    }
    return {};
  }

  // Whether all that was fed ends with the end of a message.
  bool at_boundary() const { return header_size_ == 0; }
  // How many of the next bytes are certain to belong to the message in progress; 0 at a boundary.
  std::size_t wanted() const {
    if (at_boundary()) return 0;
    return header_size_ < kHeaderSize ? kHeaderSize - header_size_ : left_;
  }

 private:
  std::array<std::byte, kHeaderSize> header_{};
  std::size_t header_size_ = 0;
  std::uint32_t left_ = 0;
};

}  // namespace portolan::protocols::postgres
