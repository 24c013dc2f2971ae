// For the tests of HTTP/2: a client that writes frames by hand and knows nothing of what it may say.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/http/http2_frame_testing.h"
#include "net/http/http2_peer.h"

namespace portolan::net::http::testing {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A header block that needs no table, for HEADERS made by hand.
inline Bytes block_of(const FieldList& fields) {
  nghttp2_hd_deflater* deflater = nullptr;
  nghttp2_hd_deflate_new(&deflater, 0);
  const auto pairs = pairs_of(fields);
  Bytes out(nghttp2_hd_deflate_bound(deflater, pairs.data(), pairs.size()));
  const ssize_t size = nghttp2_hd_deflate_hd(deflater, reinterpret_cast<std::uint8_t*>(out.data()), out.size(),
                                             pairs.data(), pairs.size());
  nghttp2_hd_deflate_del(deflater);
  out.resize(static_cast<std::size_t>(size));
  return out;
}

class RawPeer {
 public:
  explicit RawPeer(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) { nghttp2_hd_inflate_new(&inflater_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  ~RawPeer() { nghttp2_hd_inflate_del(inflater_); }

  // Before the first bytes come the preface and empty settings. False if the server takes no more.
  Task<bool> say(Bytes bytes) {
    if (!std::exchange(greeted_, true)) {
      const auto preface = as_bytes(kPreface);
      bytes = Bytes(preface.begin(), preface.end()) + frame(NGHTTP2_SETTINGS, 0, 0) + bytes;
    }
    const auto sent = co_await write(*stream_, bytes);
    co_return sent.has_value();
  }
  // Takes in what comes in some turns of the loop.
  Task<> linger(int turns = 50) {
    for (int i = 0; i < turns; ++i) {
      const auto chunk = stream_->try_read();
      if (!chunk || chunk->kind == Chunk::Kind::kEnd) co_return;
      if (chunk->kind == Chunk::Kind::kData) take_in(chunk->buffer.data());
      co_await yield_to_loop();
    }
  }
  // Until `done`; false if the connection ends before.
  Task<bool> until(std::function<bool()> done) {
    while (!done()) {
      const auto buffer = co_await read(*stream_);
      if (!buffer || buffer->empty()) co_return false;
      take_in(buffer->data());
    }
    co_return true;
  }
  void leave() { stream_.reset(); }

  std::map<std::uint32_t, Http2Client::Answer> answers;
  std::optional<std::uint32_t> goaway;

 private:
  void take_in(ByteView bytes) {
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    while (unread_.size() >= 9) {
      ByteReader head{ByteView(unread_)};
      const std::size_t high = head.u8();
      const std::size_t size = high << 16 | head.u16();
      const std::uint8_t type = head.u8();
      const std::uint8_t flags = head.u8();
      const std::uint32_t id = head.u32();
      if (unread_.size() < 9 + size) return;
      see(type, flags, id, ByteView(unread_).subspan(9, size));
      unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(9 + size));
    }
  }
  void see(std::uint8_t type, std::uint8_t flags, std::uint32_t id, ByteView payload) {
    if (type == NGHTTP2_GOAWAY) goaway = ByteReader(payload.subspan(4)).u32();
    if (type == NGHTTP2_RST_STREAM) answers[id].reset = ByteReader(payload).u32();
    if (type == NGHTTP2_HEADERS) read_head(answers[id], payload);
    if (type == NGHTTP2_DATA) answers[id].body += as_text(payload);
    const bool of_answer = type == NGHTTP2_HEADERS || type == NGHTTP2_DATA;
    if (of_answer && (flags & NGHTTP2_FLAG_END_STREAM)) answers[id].ended = true;
  }
  void read_head(Http2Client::Answer& answer, ByteView block) {
    auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    std::size_t left = block.size();
    for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
      nghttp2_nv field{};
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
      if (used < 0) break;
      at += used;
      left -= static_cast<std::size_t>(used);
      if (flags & NGHTTP2_HD_INFLATE_EMIT)
        answer.headers.emplace(std::string(reinterpret_cast<char*>(field.name), field.namelen),
                               std::string(reinterpret_cast<char*>(field.value), field.valuelen));
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  std::unique_ptr<Stream> stream_;
  nghttp2_hd_inflater* inflater_ = nullptr;
  Bytes unread_;
  bool greeted_ = false;
};

struct RawServed {
  RawServed(const Executor& executor, const Router& router, ServerOptions options = {},
            std::size_t capacity = 64 * 1024)
      : served(executor, router, std::move(options), Http2Served::with_alpn({"10.0.0.1"}), capacity),
        peer(std::move(served.client)) {}
  Task<> leave() {
    peer.leave();
    co_await served.group.join();
  }
  Task<> ended() {
    const bool more = co_await peer.until([] { return false; });
    static_cast<void>(more);
    co_await leave();
  }
  Served served;
  RawPeer peer;
};

}  // namespace portolan::net::http::testing
