#include "net/stream.h"

#include <algorithm>

#include "net/tcp.h"
#include "net/wait.h"

namespace portolan::net {

Task<Result<>> wait_readable(Stream& stream) {
  auto start = [&](Done done) { stream.on_readable([done = std::move(done)]() mutable { done(); }); };
  co_return co_await wait_for(start, [&] { stream.cancel_readable(); });
}

Task<Result<>> wait_writable(Stream& stream) {
  auto start = [&](Done done) { stream.on_writable([done = std::move(done)]() mutable { done(); }); };
  co_return co_await wait_for(start, [&] { stream.cancel_writable(); });
}

namespace {

// Before each step that may not wait: ends a cancelled task, and lets others run when this one has had its share.
Task<Result<>> take_turn(Stream& stream) {
  const bool ended = co_await cancelled();
  if (ended) co_return cancelled_error();
  if (must_yield(stream.executor())) co_await yield_to_loop();
  co_return Result<>{};
}

}  // namespace

Task<Result<Buffer>> read(Stream& stream) {
  while (true) {
    CO_CHECK(co_await take_turn(stream));
    CO_TRY(auto chunk, stream.try_read());
    if (chunk.kind != Chunk::Kind::kWait) co_return std::move(chunk.buffer);
    CO_CHECK(co_await wait_readable(stream));
  }
}

Task<Result<>> read_exactly(TcpStream& stream, std::span<std::byte> into) {
  while (!into.empty()) {
    CO_CHECK(co_await take_turn(stream));
    CO_TRY(const auto read, stream.try_read_into(into));
    if (read == 0U) co_return fail(Code::kEof, "the connection ended early");
    if (read) {
      into = into.subspan(*read);
    } else {
      CO_CHECK(co_await wait_readable(stream));
    }
  }
  co_return Result<>{};
}

Task<Result<>> write(Stream& stream, ByteView bytes) {
  while (!bytes.empty()) {
    CO_CHECK(co_await take_turn(stream));
    CO_TRY(const auto accepted, stream.try_write(bytes));
    bytes = bytes.subspan(accepted);
    if (accepted > 0) continue;
    CO_CHECK(co_await wait_writable(stream));
  }
  co_return Result<>{};
}

namespace {

Task<Result<>> shutdown_and_drain(Stream& stream) {
  while (true) {
    CO_CHECK(stream.shutdown_send());
    if (stream.unsent() == 0) co_return Result<>{};
    CO_CHECK(co_await wait_writable(stream));
  }
}

}  // namespace

Task<Result<>> finish(Stream& stream, std::chrono::milliseconds limit) {
  co_return co_await with_timeout(shutdown_and_drain(stream), limit);
}

Task<Result<>> Reader::fill(std::size_t n) {
  while (data().size() < n) {
    CO_TRY(const auto buffer, co_await read(stream_));
    if (buffer.empty()) co_return fail(Code::kEof, data().empty() ? "stream ended" : "stream ended too early");
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
    bytes_.insert(bytes_.end(), buffer.data().begin(), buffer.data().end());
  }
  co_return Result<>{};
}

void Reader::consume(std::size_t n) {
  begin_ += std::min(n, data().size());
  if (!empty()) return;
  bytes_.clear();
  begin_ = 0;
}

Task<Result<Bytes>> Reader::take(std::size_t n) {
  CO_CHECK(co_await fill(n));
  const auto front = data().first(n);
  Bytes taken(front.begin(), front.end());
  consume(n);
  co_return taken;
}

Bytes Reader::take_rest() {
  Bytes rest(data().begin(), data().end());
  bytes_.clear();
  begin_ = 0;
  return rest;
}

}  // namespace portolan::net
