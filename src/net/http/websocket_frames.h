// Inside net/http/ only: the frames of WebSocket (RFC 6455 §5), pure. Payload is passed on as it comes: no frame and no
// message is ever collected, so that what a peer announces makes nobody take memory.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"

namespace portolan::net::http {

enum class WebSocketRole { kClient, kServer };

enum class FrameKind : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

using FrameMask = std::array<std::byte, 4>;
inline constexpr std::size_t kLongestFrameHead = 14;
inline constexpr std::size_t kLongestControl = 125;                 // §5.5
inline constexpr std::uint64_t kLongestFrame = 16U * 1024U * 1024;  // ours have 64 KiB at most; proxies may join some

// The head of a frame that is no part of a longer message.
struct FrameHead {
  std::array<std::byte, kLongestFrameHead> bytes{};
  std::size_t size = 0;
  ByteView view() const { return ByteView(bytes).first(size); }
};
FrameHead encode_frame_head(FrameKind kind, std::uint64_t length, const std::optional<FrameMask>& mask);

// §5.3; `at` is how many bytes of the payload lie before these.
void apply_mask(std::span<std::byte> payload, const FrameMask& mask, std::uint64_t at);

// What a peer has sent, frame after frame. One breach is final.
class FrameReader {
 public:
  // Of the one who reads: a server takes masked frames only, a client unmasked ones only.
  explicit FrameReader(WebSocketRole role) : role_(role) {}

  enum class Event {
    kNone,
    kPing,   // control() is to be sent back
    kEnd,    // a binary message without a byte: the peer's end of its direction (websocket.h)
    kClose,  // control() is its body: nothing, or a code and a reason
  };
  struct Step {
    std::size_t taken = 0;    // of `in`
    std::size_t written = 0;  // payload, to `out`
    Event event = Event::kNone;
  };
  // Goes on until one of the two is used up or there is an event. Code::kProtocol for what RFC 6455 or websocket.h
  // forbids, as soon as the bytes that say so are there; Code::kLimit for a frame of more than kLongestFrame bytes.
  Result<Step> take(ByteView in, std::span<std::byte> out);
  ByteView control() const { return ByteView(control_).first(control_size_); }

 private:
  Result<> take_head_byte(std::byte byte);
  Result<> begin_frame();
  Result<> read_length();
  std::size_t take_payload(ByteView in, std::span<std::byte> out, std::size_t& written);
  Result<Event> end_frame();
  bool is_control() const { return kind_ >= FrameKind::kClose; }
  bool head_done() const { return head_size_ >= 2 && head_size_ == head_needed_; }

  WebSocketRole role_;
  std::array<std::byte, kLongestFrameHead> head_{};
  std::size_t head_size_ = 0;
  std::size_t head_needed_ = 2;
  FrameKind kind_ = FrameKind::kContinuation;
  bool last_ = false;
  std::uint64_t length_ = 0;
  std::uint64_t at_ = 0;  // of the payload
  FrameMask mask_{};
  bool in_message_ = false;  // its last frame is still to come
  bool message_has_byte_ = false;
  bool ended_ = false;
  std::array<std::byte, kLongestControl> control_{};
  std::size_t control_size_ = 0;
};

// The body of a Close, in words: "1001 (going away)".
std::string close_text(ByteView body);
// Whether it may be sent (§7.4): empty, or a code that may be on the wire and a text.
bool is_close_body(ByteView body);

}  // namespace portolan::net::http
