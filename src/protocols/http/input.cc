#include "protocols/http/input.h"

#include <algorithm>
#include <utility>

namespace portolan::protocols::http {

void Input::consume(std::size_t n) {
  if (held_.empty()) return block_.consume(n);
  begin_ = std::min(begin_ + n, held_.size());
  if (begin_ < held_.size()) return;
  held_ = Bytes();
  begin_ = 0;
}

void Input::keep(net::Buffer buffer) {
  if (data().empty()) {
    held_ = Bytes();
    begin_ = 0;
    block_ = std::move(buffer);
    return;
  }
  if (held_.empty()) {
    held_.assign(block_.data().begin(), block_.data().end());
    block_.release();
    begin_ = 0;
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  held_.insert(held_.end(), buffer.data().begin(), buffer.data().end());
}

net::Task<Result<>> Input::more() {
  unwatch();
  if (ended_) co_return fail(Code::kEof, "the connection has ended");
  CO_TRY(net::Buffer buffer, co_await net::read(stream_));
  if (buffer.empty()) {
    ended_ = true;
    co_return fail(Code::kEof, "the connection has ended");
  }
  keep(std::move(buffer));
  co_return Result<>{};
}

Result<net::Chunk::Kind> Input::try_more() {
  unwatch();
  if (ended_) return net::Chunk::Kind::kEnd;
  PL_TRY(net::Chunk chunk, stream_.try_read());
  if (chunk.kind == net::Chunk::Kind::kEnd) ended_ = true;
  if (chunk.kind == net::Chunk::Kind::kData) keep(std::move(chunk.buffer));
  return chunk.kind;
}

net::Buffer Input::take(std::size_t n) {
  if (held_.empty() && n == block_.size()) return std::exchange(block_, net::Buffer());
  const ByteView front = as_bytes(data()).first(std::min(n, net::kBlockSize));
  net::Buffer out = net::Buffer::copy_of(front);
  consume(front.size());
  return out;
}

Bytes Input::take_rest() {
  const ByteView rest = as_bytes(data());
  Bytes out(rest.begin(), rest.end());
  consume(out.size());
  return out;
}

void Input::watch(std::move_only_function<void()> ended) {
  unwatch();
  on_end_ = std::move(ended);
  watching_ = true;
  // With something ahead it is at work.
  if (data().empty()) stream_.on_readable([this] { look(); });
}

void Input::unwatch() {
  if (!std::exchange(watching_, false)) return;
  stream_.cancel_readable();
  on_end_ = {};
}

bool Input::stirred() {
  if (ended_ || !data().empty()) return true;
  auto chunk = stream_.try_read();
  if (!chunk) ended_ = true;
  if (chunk && chunk->kind == net::Chunk::Kind::kEnd) ended_ = true;
  if (chunk && chunk->kind == net::Chunk::Kind::kData) keep(std::move(chunk->buffer));
  return ended_ || !data().empty();
}

void Input::look() {
  if (!watching_) return;
  auto chunk = stream_.try_read();
  if (chunk && chunk->kind == net::Chunk::Kind::kWait) return stream_.on_readable([this] { look(); });
  if (chunk && chunk->kind == net::Chunk::Kind::kData) return keep(std::move(chunk->buffer));
  ended_ = true;
  watching_ = false;
  auto tell = std::exchange(on_end_, {});
  if (tell) tell();
}

}  // namespace portolan::protocols::http
