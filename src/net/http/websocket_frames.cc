#include "net/http/websocket_frames.h"

#include <algorithm>
#include <cstring>

#include "net/http/target.h"

namespace portolan::net::http {
namespace {

constexpr std::uint8_t kLast = 0x80;
constexpr std::uint8_t kReserved = 0x70;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kTwoBytes = 126;
constexpr std::uint8_t kEightBytes = 127;

std::unexpected<Error> breach(std::string what) { return fail(Code::kProtocol, "websocket: " + std::move(what)); }

std::uint8_t number(std::byte byte) { return std::to_integer<std::uint8_t>(byte); }

bool is_known(std::uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

}  // namespace

FrameHead encode_frame_head(FrameKind kind, std::uint64_t length, const std::optional<FrameMask>& mask) {
  FrameHead head;
  const auto put = [&head](std::uint64_t byte) { head.bytes.at(head.size++) = static_cast<std::byte>(byte & 0xffU); };
  put(kLast | static_cast<unsigned>(kind));
  const std::uint8_t masked = mask ? kMasked : 0;
  if (length < kTwoBytes) {
    put(masked | length);
  } else {
    const bool two = length <= 0xffff;
    put(masked | (two ? kTwoBytes : kEightBytes));
    for (int shift = two ? 8 : 56; shift >= 0; shift -= 8) put(length >> static_cast<unsigned>(shift));
  }
  if (mask)
    for (const std::byte byte : *mask) put(number(byte));
  return head;
}

void apply_mask(std::span<std::byte> payload, const FrameMask& mask, std::uint64_t at) {
  FrameMask turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned.at(i) = mask.at((at + i) % mask.size());
  std::uint32_t word = 0;
  std::memcpy(&word, turned.data(), sizeof word);
  std::size_t i = 0;
  for (; i + sizeof word <= payload.size(); i += sizeof word) {
    std::uint32_t part = 0;
    std::memcpy(&part, payload.data() + i, sizeof part);
    part ^= word;
    std::memcpy(payload.data() + i, &part, sizeof part);
  }
  for (; i < payload.size(); ++i) payload[i] ^= turned.at(i % turned.size());
}

Result<FrameReader::Step> FrameReader::take(ByteView in, std::span<std::byte> out) {
  Step step;
  while (step.taken < in.size() && step.event == Event::kNone) {
    if (!head_done()) {
      PL_CHECK(take_head_byte(in[step.taken++]));
      if (!head_done()) continue;
    } else {
      if (!is_control() && step.written == out.size()) break;
      step.taken += take_payload(in.subspan(step.taken), out.subspan(step.written), step.written);
    }
    if (at_ == length_) {
      PL_TRY(step.event, end_frame());
    }
  }
  return step;
}

Result<> FrameReader::take_head_byte(std::byte byte) {
  head_.at(head_size_++) = byte;
  if (head_size_ == 1) {
    const auto first = number(byte);
    if ((first & kReserved) != 0) return breach("a reserved bit is set");
    if (!is_known(first & 0x0fU)) return breach("an unknown kind of frame");
  }
  if (head_size_ == 2) PL_CHECK(begin_frame());
  return head_done() ? read_length() : Result<>();
}

// What the first two bytes say.
Result<> FrameReader::begin_frame() {
  const auto first = number(head_[0]);
  const auto second = number(head_[1]);
  kind_ = static_cast<FrameKind>(first & 0x0fU);
  last_ = (first & kLast) != 0;
  const bool masked = (second & kMasked) != 0;
  const auto length = static_cast<std::uint8_t>(second & ~kMasked);
  if (masked != (role_ == WebSocketRole::kServer))
    return breach(masked ? "a masked frame of a server" : "an unmasked frame of a client");
  if (is_control()) {
    if (!last_) return breach("a control frame in fragments");
    if (length > kLongestControl) return breach("a control frame of more than 125 bytes");
  } else if (kind_ == FrameKind::kText) {
    return breach("a text message");
  } else if ((kind_ == FrameKind::kContinuation) != in_message_) {
    return breach(in_message_ ? "a new message within another" : "a continuation of nothing");
  } else if (ended_) {
    return breach("a message behind the end");
  }
  head_needed_ = 2U +
                 (length == kTwoBytes     ? 2U
                  : length == kEightBytes ? 8U
                                          : 0U) +
                 (masked ? std::size_t{4} : std::size_t{0});
  return {};
}

// The head is whole. Lengths are in their shortest form (§5.2).
Result<> FrameReader::read_length() {
  const auto short_length = static_cast<std::uint8_t>(number(head_[1]) & ~kMasked);
  ByteReader rest(ByteView(head_).subspan(2, head_size_ - 2));
  length_ = short_length;
  if (short_length == kTwoBytes) {
    length_ = rest.u16();
    if (length_ < kTwoBytes) return breach("a length that is not in its shortest form");
  } else if (short_length == kEightBytes) {
    length_ = rest.u64();
    if (length_ <= 0xffff) return breach("a length that is not in its shortest form");
    if (length_ > kLongestFrame) return fail(Code::kLimit, "websocket: a frame of more than 16 MiB");
  }
  mask_ = {};
  if (role_ == WebSocketRole::kServer) std::ranges::copy(rest.take(mask_.size()), mask_.begin());
  at_ = 0;
  if (is_control()) {
    control_size_ = 0;
  } else {
    if (!in_message_) message_has_byte_ = false;
    in_message_ = true;
    message_has_byte_ = message_has_byte_ || length_ > 0;
  }
  return {};
}

std::size_t FrameReader::take_payload(ByteView in, std::span<std::byte> out, std::size_t& written) {
  const auto into = is_control() ? std::span(control_).subspan(control_size_) : out;
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(length_ - at_, std::min(in.size(), into.size())));
  if (n == 0) return 0;
  std::memcpy(into.data(), in.data(), n);
  if (role_ == WebSocketRole::kServer) apply_mask(into.first(n), mask_, at_);
  at_ += n;
  (is_control() ? control_size_ : written) += n;
  return n;
}

Result<FrameReader::Event> FrameReader::end_frame() {
  head_size_ = 0;
  head_needed_ = 2;
  switch (kind_) {
    case FrameKind::kPing: return Event::kPing;
    case FrameKind::kPong: return Event::kNone;  // nobody waits for one
    case FrameKind::kClose:
      if (!is_close_body(control())) return breach("a close with a bad code or text");
      return Event::kClose;
    default: break;
  }
  if (!last_) return Event::kNone;
  in_message_ = false;
  ended_ = !message_has_byte_;
  return ended_ ? Event::kEnd : Event::kNone;
}

bool is_close_body(ByteView body) {
  if (body.empty()) return true;
  ByteReader reader(body);
  const auto code = reader.u16();
  if (!reader.ok()) return false;
  const bool defined = code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
  const bool free = code >= 3000 && code <= 4999;
  return (defined || free) && is_utf8(as_text(reader.rest()));
}

std::string close_text(ByteView body) {
  if (body.size() < 2) return "without a code";
  ByteReader reader(body);
  std::string text = std::to_string(reader.u16());
  if (!reader.rest().empty()) text += " (" + quoted(as_text(reader.rest())) + ")";
  return text;
}

}  // namespace portolan::net::http
