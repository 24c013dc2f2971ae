#include "protocols/http/websocket.h"

#include <algorithm>

namespace portolan::protocols::http {
namespace {

constexpr std::uint8_t kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPong = 10;
constexpr std::size_t kMostControl = 125;

std::unexpected<Error> bad(std::string what) { return fail(Code::kProtocol, std::move(what), "bad_frame"); }

}  // namespace

std::size_t FrameCounter::header_wanted() const {
  if (header_size_ < 2) return 2;
  const std::uint8_t length = header_[1] & 0x7f;
  return 2U + (length == 126 ? 2U : length == 127 ? 8U : 0U) + ((header_[1] & 0x80) != 0 ? 4U : 0U);
}

Result<> FrameCounter::feed(ByteView bytes) {
  while (!bytes.empty()) {
    if (payload_ > 0) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(payload_, bytes.size()));
      payload_ -= n;
      bytes = bytes.subspan(n);
      if (payload_ == 0) on_frame_end();
      continue;
    }
    if (closed_) return bad("bytes behind a Close frame");
    header_[header_size_++] = static_cast<std::uint8_t>(bytes.front());
    bytes = bytes.subspan(1);
    if (header_size_ < header_wanted()) continue;
    PL_CHECK(on_header());
    if (payload_ == 0) on_frame_end();
  }
  return {};
}

Result<> FrameCounter::on_header() {
  const bool masked = (header_[1] & 0x80) != 0;
  if (masked != (from_ == From::kClient))
    return bad(masked ? "a masked frame of a server" : "an unmasked frame of a client");
  last_ = (header_[0] & 0x80) != 0;
  opcode_ = header_[0] & 0x0f;
  const bool control = opcode_ >= kClose;
  const bool data = opcode_ == kText || opcode_ == kBinary;
  const std::uint8_t reserved = header_[0] & 0x70;
  // RSV1 marks the first frame of a compressed message.
  const bool compressed = reserved == 0x40 && extension_ == Extension::kDeflate && data;
  if (reserved != 0 && !compressed) return bad("a frame with reserved bits");
  if (opcode_ > kPong || (!control && !data && opcode_ != kContinuation)) return bad("a frame of an unknown kind");
  const std::uint8_t length = header_[1] & 0x7f;
  payload_ = length;
  const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (more > 0) {
    payload_ = 0;
    for (std::size_t i = 0; i < more; ++i) payload_ = payload_ << 8 | header_[2 + i];
    if ((payload_ >> 63) != 0 || payload_ < (more == 2 ? 126U : 65536U)) return bad("a frame with a bad length");
  }
  header_size_ = 0;
  if (control && (!last_ || payload_ > kMostControl)) return bad("a control frame in pieces, or too long");
  if (opcode_ == kClose && payload_ == 1) return bad("a Close frame with half a status");
  if (data && in_message_) return bad("a message within another");
  if (opcode_ == kContinuation && !in_message_) return bad("the rest of no message");
  return {};
}

void FrameCounter::on_frame_end() {
  if (opcode_ == kClose) closed_ = true;
  if (opcode_ >= kClose) return;
  in_message_ = !last_;
  if (last_) ++messages_;
}

std::string close_frame(std::uint16_t status, std::string_view words) {
  std::string payload;
  payload += static_cast<char>(status >> 8);
  payload += static_cast<char>(status & 0xff);
  for (const char c : words.substr(0, kMostControl - 2)) payload += c >= ' ' && c < '\x7f' ? c : '?';
  std::string out;
  out += static_cast<char>(0x88);
  out += static_cast<char>(payload.size());
  return out + payload;
}

}  // namespace portolan::protocols::http
