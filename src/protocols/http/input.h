// What comes from a stream, with look-ahead, for parsers. It holds a block only while there is something in it, and can
// keep watch while nobody reads: a browser that goes away is not served any longer.
#pragma once
#include <functional>
#include <string_view>

#include "net/stream.h"

namespace portolan::protocols::http {

// Borrows the stream; on its thread.
class Input {
 public:
  explicit Input(net::Stream& stream) : stream_(stream) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input() { unwatch(); }

  // What is there and not consumed. Valid until the next more().
  std::string_view data() const { return as_text(held_.empty() ? block_.data() : ByteView(held_).subspan(begin_)); }
  void consume(std::size_t n);
  // Waits until there is more than there was. Code::kEof at the end of the stream.
  net::Task<Result<>> more();
  // The same without waiting: kData if there is more now, kWait, or kEnd.
  Result<net::Chunk::Kind> try_more();
  // The first `n` bytes of what is there, for somebody else to read: the block itself where they are all of it, else a
  // copy. At most net::kBlockSize at a time, where it is a copy.
  net::Buffer take(std::size_t n);
  Bytes take_rest();

  // Calls `ended`, once, when the stream ends or breaks. What comes before that is kept, up to one block, after which
  // it looks no further.
  void watch(std::move_only_function<void()> ended);
  void unwatch();
  // Whether something has come, or the stream has ended, since it was last asked for more. Does not wait.
  bool stirred();

 private:
  void look();
  void keep(net::Buffer buffer);

  net::Stream& stream_;
  net::Buffer block_;      // while held_ is empty
  Bytes held_;             // what did not fit into one block
  std::size_t begin_ = 0;  // of held_
  bool ended_ = false;
  bool watching_ = false;
  std::move_only_function<void()> on_end_;
};

}  // namespace portolan::protocols::http
