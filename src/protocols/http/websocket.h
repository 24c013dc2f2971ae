// WebSocket frames (RFC 6455 §5) read in a stream cut anywhere, to count messages and to know where one may speak.
// Strict, since what we count and what the other side reads must be the same. Payloads are not looked at. Pure.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace portolan::protocols::http {

class FrameCounter {
 public:
  enum class From { kClient /* masked */, kServer };
  // kDeflate: permessage-deflate (RFC 7692) was agreed on, which uses RSV1.
  enum class Extension { kNone, kDeflate };
  explicit FrameCounter(From from, Extension extension = Extension::kNone) : from_(from), extension_(extension) {}

  // Code::kProtocol for what is no frame, or out of order; final.
  Result<> feed(ByteView bytes);
  std::uint64_t messages() const { return messages_; }  // text and binary, each counted at its last frame
  bool at_boundary() const { return header_size_ == 0 && payload_ == 0; }  // between frames
  bool closed() const { return closed_; }                                  // a Close frame has ended

 private:
  std::size_t header_wanted() const;
  Result<> on_header();
  void on_frame_end();

  From from_;
  Extension extension_;
  std::array<std::uint8_t, 14> header_{};
  std::size_t header_size_ = 0;
  std::uint64_t payload_ = 0;  // of the frame, still to come
  std::uint8_t opcode_ = 0;
  bool last_ = false;        // of its message
  bool in_message_ = false;  // a message goes on in a further frame
  bool closed_ = false;
  std::uint64_t messages_ = 0;
};

// A Close frame of a server with a status and words cut to what fits.
std::string close_frame(std::uint16_t status, std::string_view words);

}  // namespace portolan::protocols::http
