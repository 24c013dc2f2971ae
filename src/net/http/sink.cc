#include "net/http/sink.h"

namespace portolan::net::http {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
// More than lies in the buffers of the system while a client has not looked.
constexpr std::size_t kDropped = 8 * 1024 * 1024;

std::unexpected<Error> gone() { return fail(Code::kEof, "the client has closed the connection"); }

}  // namespace

Task<Result<>> write_within(Stream& stream, std::string_view bytes, std::chrono::milliseconds limit) {
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, kPiece);
    CO_CHECK(co_await with_timeout(write(stream, as_bytes(piece)), limit));
    bytes.remove_prefix(piece.size());
  }
  co_return Result<>{};
}

Task<Result<>> drop_input(Stream& stream) {
  for (std::size_t dropped = 0; dropped < kDropped;) {
    CO_TRY(const Buffer buffer, co_await read(stream));
    if (buffer.empty()) break;
    dropped += buffer.size();
  }
  co_return Result<>{};
}

Task<Result<>> StreamSink::begin(Response head) {
  if (begun_) co_return fail(Code::kInternal, "answer begun twice");
  const Framing framing = mode_ == Mode::kUntilClose ? Framing::kUntilClose : Framing::kChunked;
  CO_TRY(const std::string text, encode_head(head, framing, persist_));
  begun_ = true;
  if (!may_have_body(head.status)) mode_ = Mode::kHeadOnly;
  CO_CHECK(co_await put(text));
  if (head.body.empty() || mode_ == Mode::kHeadOnly) co_return Result<>{};
  co_return co_await send(head.body);
}

Task<Result<>> StreamSink::send(std::string_view piece) {
  if (!begun_) co_return fail(Code::kInternal, "piece of an answer that has not begun");
  if (mode_ == Mode::kHeadOnly) co_return fail(Code::kEof, "the client asked for no body");
  if (piece.empty()) co_return Result<>{};  // as a chunk it would end the body
  if (mode_ == Mode::kUntilClose) co_return co_await put(piece);
  const std::string chunk = encode_chunk(piece);
  co_return co_await put(chunk);
}

// What a client sends meanwhile is its next request, which waits, up to a limit: we must read to see it go.
Task<Result<>> StreamSink::closed() {
  if (mode_ == Mode::kHeadOnly || broken_) co_return gone();
  while (true) {
    const std::size_t waiting = reader_.data().size();
    if (waiting > options_.limits.header_bytes) {
      broken_ = true;
      co_return fail(Code::kEof, "the client sends more than it may while it is answered");
    }
    const auto more = co_await reader_.fill(waiting + 1);
    if (more) continue;
    if (more.error().code == Code::kCancelled) co_return more;
    broken_ = true;
    co_return gone();
  }
}

Task<Result<>> StreamSink::end() {
  if (mode_ == Mode::kChunked) co_return co_await put(kLastChunk);
  co_return Result<>{};
}

Task<Result<>> StreamSink::put(std::string_view bytes) {
  if (broken_) co_return gone();
  const auto sent = co_await write_within(stream_, bytes, options_.write_timeout);
  if (!sent) broken_ = true;
  co_return sent;
}

}  // namespace portolan::net::http
