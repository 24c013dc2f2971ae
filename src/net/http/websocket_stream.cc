#include "net/http/websocket_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/id.h"

namespace portolan::net::http {
namespace {

constexpr std::size_t kCapacity = std::size_t{64} * 1024;  // that may wait for the stream below
constexpr std::size_t kLeastRoom = 4096;                   // for less no frame is begun
constexpr std::size_t kMaskedAtOnce = 4096;
constexpr int kReadsAtOnce = 4;  // of the stream below, by one call
// The stream below tells when it takes more, not when it has handed everything down.
constexpr std::chrono::milliseconds kSettle{5};

FrameMask new_mask() {
  FrameMask mask{};
  fill_random(mask);
  return mask;
}

}  // namespace

WebSocketStream::WebSocketStream(std::unique_ptr<Stream> below, WebSocketRole role)
    : below_(std::move(below)),
      role_(role),
      frames_(role),
      readable_(below_->executor()),
      writable_(below_->executor()),
      settle_(below_->executor()) {}

Result<Chunk> WebSocketStream::try_read() {
  Buffer out;
  for (int reads = 0; !read_error_ && !peer_ended_ && (!out.has_block() || !out.spare().empty());) {
    if (in_.empty()) {
      if (reads++ == kReadsAtOnce || fill() != Filled::kYes) break;
    }
    if (!out.has_block()) out = Buffer::take();
    const auto step = frames_.take(in_.data(), out.spare());
    if (!step) {
      fail_reading(step.error());
      break;
    }
    in_.consume(step->taken);
    out.grow(step->written);
    take_event(step->event);
  }
  if (!out.empty()) return Chunk{Chunk::Kind::kData, std::move(out)};
  if (read_error_) return std::unexpected(*read_error_);
  return Chunk{peer_ended_ ? Chunk::Kind::kEnd : Chunk::Kind::kWait};
}

WebSocketStream::Filled WebSocketStream::fill() {
  auto chunk = below_->try_read();
  if (!chunk) {
    fail_reading(std::move(chunk).error());
    return Filled::kFailed;
  }
  if (chunk->kind == Chunk::Kind::kWait) return Filled::kWaits;
  if (chunk->kind == Chunk::Kind::kEnd) {
    fail_reading({Code::kEof, "truncated: the connection ended before the websocket did"});
    return Filled::kFailed;
  }
  in_ = std::move(chunk->buffer);
  return Filled::kYes;
}

void WebSocketStream::take_event(FrameReader::Event event) {
  switch (event) {
    case FrameReader::Event::kNone: return;
    case FrameReader::Event::kPing:
      pong_.emplace(frames_.control().begin(), frames_.control().end());
      answer_ping();
      return;
    case FrameReader::Event::kEnd:
      peer_ended_ = true;
      in_.release();
      if (half_closed_) append_close();
      return;
    case FrameReader::Event::kClose:
      fail_reading({Code::kEof, "the peer has closed the websocket: " + close_text(frames_.control())});
      append_close();
      if (!write_error_) write_error_ = read_error_;
      progress();
      return;
  }
}

void WebSocketStream::fail_reading(Error error) {
  in_.release();
  read_error_ = std::move(error).within("read from " + describe());
}

Result<std::size_t> WebSocketStream::try_write(ByteView bytes) {
  if (write_error_) return std::unexpected(*write_error_);
  if (half_closed_) return fail(Code::kInternal, "write after half-close");
  std::size_t accepted = 0;
  while (accepted < bytes.size() && out_.pending() + kLeastRoom <= kCapacity) {
    const auto part = bytes.subspan(accepted, std::min(bytes.size() - accepted, kCapacity - out_.pending()));
    append(FrameKind::kBinary, part);
    accepted += part.size();
    flush();
    if (write_error_) return std::unexpected(*write_error_);
  }
  return accepted;
}

// Each frame has a mask of its own (§5.3).
void WebSocketStream::append(FrameKind kind, ByteView payload) {
  if (role_ == WebSocketRole::kServer) {
    out_.append(encode_frame_head(kind, payload.size(), {}).view());
    out_.append(payload);
    return;
  }
  const FrameMask mask = new_mask();
  out_.append(encode_frame_head(kind, payload.size(), mask).view());
  std::array<std::byte, kMaskedAtOnce> part{};
  for (std::size_t at = 0; at < payload.size(); at += part.size()) {
    const std::size_t n = std::min(part.size(), payload.size() - at);
    std::memcpy(part.data(), payload.data() + at, n);
    apply_mask(std::span(part).first(n), mask, at);
    out_.append(ByteView(part).first(n));
  }
}

Result<> WebSocketStream::shutdown_send() {
  if (write_error_) return std::unexpected(*write_error_);
  if (half_closed_) return {};
  half_closed_ = true;
  append(FrameKind::kBinary, {});
  end_at_ = out_.appended();
  if (peer_ended_) append_close();
  flush();
  if (write_error_) return std::unexpected(*write_error_);
  return {};
}

// With the code "normal closure" (§7.4.1).
void WebSocketStream::append_close() {
  if (write_error_ || std::exchange(close_sent_, true)) return;
  pong_.reset();
  append(FrameKind::kClose, std::array{std::byte{0x03}, std::byte{0xe8}});
  flush();
}

void WebSocketStream::answer_ping() {
  if (!pong_ || close_sent_ || write_error_ || waiting_below_) return;
  append(FrameKind::kPong, *std::exchange(pong_, std::nullopt));
  flush();
}

void WebSocketStream::flush() {
  while (!waiting_below_ && !write_error_ && !out_.empty()) {
    auto accepted = below_->try_write(out_.front());
    if (!accepted) return failed_below(std::move(accepted).error());
    if (*accepted > 0) {
      out_.consume(*accepted);
      continue;
    }
    waiting_below_ = true;
    below_->on_writable([this] {
      waiting_below_ = false;
      flush();
      answer_ping();
      progress();
    });
  }
  if (out_.empty() && close_sent_ && !std::exchange(below_ended_, true)) {
    if (auto ended = below_->shutdown_send(); !ended) failed_below(std::move(ended).error());
  }
}

// A peer that has all of ours, and has said so by its Close, may be gone before our Close comes.
void WebSocketStream::failed_below(Error error) {
  const bool all_sent = half_closed_ && peer_ended_ && out_.flushed() >= end_at_;
  while (!out_.empty()) out_.consume(out_.front().size());
  if (!all_sent) write_error_ = std::move(error).within("write to " + describe());
}

bool WebSocketStream::can_write() const {
  if (write_error_) return true;
  return half_closed_ ? unsent() == 0 : out_.pending() + kLeastRoom <= kCapacity;
}

void WebSocketStream::progress() {
  if (!writable_.waiting()) return;
  if (can_write()) {
    writable_.fire();
  } else if (half_closed_ && !waiting_below_) {
    settle_.schedule(kSettle, [this] { progress(); });
  }
}

void WebSocketStream::on_readable(Ready ready) {
  if (in_.empty() && !read_error_ && !peer_ended_) {
    readable_.cancel();
    below_->on_readable(std::move(ready));
    return;
  }
  readable_.set(std::move(ready));
  readable_.fire();
}

void WebSocketStream::on_writable(Ready ready) {
  writable_.set(std::move(ready));
  progress();
}

void WebSocketStream::cancel_readable() {
  readable_.cancel();
  below_->cancel_readable();
}

}  // namespace portolan::net::http
